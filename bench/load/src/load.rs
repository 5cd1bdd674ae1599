//! A load of clients who ask again when they have their answer.

use crate::asker::{Asker, Check};
use crate::client::Client;
use crate::{Answer, Kind, MAX_CLIENTS, MAX_RATE, Report, Running, Target};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A load to be: every client waits for its answer before it asks again.
#[derive(Clone)]
pub struct Load {
    target: Target,
    clients: Vec<Kind>,
    rate: u32,
    check: Check,
}

impl Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, clients, rate, check: _ } = self;
        f.debug_struct("Load")
            .field("target", target)
            .field("clients", clients)
            .field("rate", rate)
            .finish_non_exhaustive()
    }
}

impl Load {
    /// One client of each prompt kind, 50 requests a second each; every answer must be 200.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let clients = Kind::PROMPT.to_vec();
        Self { target, clients, rate: 50, check: Arc::new(|_| Ok(())) }
    }

    /// `count` clients of that kind, at most [`MAX_CLIENTS`].
    #[must_use]
    pub fn clients(mut self, kind: Kind, count: usize) -> Self {
        self.clients.retain(|other| *other != kind);
        self.clients.extend(std::iter::repeat_n(kind, count.min(MAX_CLIENTS)));
        self
    }

    /// How many requests each client begins in a second, at most [`MAX_RATE`]; fewer when answers
    /// take longer than that.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = per_second.clamp(1, MAX_RATE);
        self
    }

    /// Also looks at every answer of status 200; the text it returns says what is wrong.
    #[must_use]
    pub fn check(
        mut self,
        check: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check = Arc::new(check);
        self
    }

    /// Begins, on a thread of its own.
    ///
    /// # Panics
    /// When the machine has no thread or no event queue left.
    #[must_use]
    pub fn start(self) -> Running {
        let (stop, stopping) = watch::channel(false);
        let ended = Arc::new(AtomicU64::new(0));
        let counter = ended.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a machine with an event queue");
            runtime.block_on(self.run(stopping, counter))
        });
        let stop = Box::new(move || {
            stop.send_replace(true);
        });
        Running { stop, ended, thread }
    }

    async fn run(self, stopping: watch::Receiver<bool>, ended: Arc<AtomicU64>) -> Report {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for kind in self.clients {
            let asker = Asker { target: self.target.clone(), check: self.check.clone() };
            let client = Client { kind, asker, rate: self.rate, began, ended: ended.clone() };
            let stopping = stopping.clone();
            clients.spawn(async move { (kind, client.run(stopping).await) });
        }
        let mut report = Report::default();
        while let Some(done) = clients.join_next().await {
            let (kind, tally) = done.expect("a client does not panic");
            report.add(kind, tally);
        }
        report.took = began.elapsed();
        report
    }
}
