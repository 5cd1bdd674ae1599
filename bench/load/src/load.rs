//! Starting clients, and stopping them.

use crate::client::Client;
use crate::{Answer, Kind, MAX_CLIENTS, MAX_RATE, MAX_TIME, Report, Target};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Says what is wrong with an answer.
pub(crate) type Check = Arc<dyn Fn(&Answer) -> Result<(), String> + Send + Sync>;

/// A load to be.
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
    /// One client of each kind, 50 requests a second each; every answer must be 200.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let clients = Kind::ALL.to_vec();
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
        let answered = Arc::new(AtomicU64::new(0));
        let counter = answered.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a machine with an event queue");
            runtime.block_on(self.run(stopping, counter))
        });
        Running { stop, answered, thread }
    }

    async fn run(self, stopping: watch::Receiver<bool>, answered: Arc<AtomicU64>) -> Report {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for kind in self.clients {
            let (target, check, rate) = (self.target.clone(), self.check.clone(), self.rate);
            let client = Client { kind, target, check, rate, began, answered: answered.clone() };
            let stopping = stopping.clone();
            clients.spawn(async move { (kind, client.run(stopping).await) });
        }
        let mut report = Report::default();
        while let Some(done) = clients.join_next().await {
            let (kind, tally) = done.expect("a client does not panic");
            report.add(kind, tally);
        }
        report
    }
}

/// Clients at work. They end by themselves after [`MAX_TIME`].
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<Report>,
}

impl Running {
    /// How many requests have come to an end, well or not.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Lets every client finish the request it has begun, and sums up.
    ///
    /// # Panics
    /// When a check did.
    #[must_use]
    pub fn stop(self) -> Report {
        self.stop.send_replace(true);
        self.thread.join().expect("no check panicked")
    }
}

/// Whether clients should go on.
pub(crate) fn goes_on(stopping: &watch::Receiver<bool>, began: Instant) -> bool {
    !*stopping.borrow() && stopping.has_changed().is_ok() && began.elapsed() < MAX_TIME
}
