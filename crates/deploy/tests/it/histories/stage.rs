//! The stage of a history: whoever wants a connection to the database, calls the engine or sleeps
//! waits here until the history says that it is his turn. One goes on at a time, until all wait again.
//!
//! That is what makes a history the same each time. SQLite's threads answer when they like, but nobody
//! else goes on meanwhile.

use kiln_deploy::ports::Clock;
use kiln_engine::sim::{Called, Director, Fault};
use kiln_store::{Turn, Turns};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

/// For what somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A connection to the database.
    Database,
    /// That a call of the engine happens.
    Call(Called),
    /// That a call which has happened answers.
    Answer(Called),
    /// A time.
    Time { until_ms: u64 },
}

/// Who waits, and the time.
#[derive(Debug)]
pub(crate) struct Stage {
    state: Mutex<State>,
    quiet: Arc<Quiet>,
}

#[derive(Debug)]
struct State {
    next: u64,
    now_ms: u64,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    what: What,
    /// Its call hangs.
    hangs: bool,
    go: oneshot::Sender<Go>,
}

/// It is somebody's turn.
#[derive(Debug, Default)]
struct Go {
    turn: Option<Turn>,
    fault: Option<Fault>,
}

/// Whether nobody goes on.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    /// How many have a connection.
    inside: AtomicUsize,
    awaited: Mutex<Option<Awaited>>,
}

#[derive(Debug)]
struct Awaited {
    come: bool,
    waker: Waker,
}

/// Counts one less who has a connection.
#[derive(Debug)]
struct Outside(Arc<Quiet>);

/// Takes a waiter away who gave up.
struct Leave<'a>(&'a Stage, u64);

// === impl Quiet ===

impl Quiet {
    /// The runtime has nothing to do.
    pub(crate) fn come(&self) {
        if self.inside.load(Ordering::SeqCst) > 0 {
            return;
        }
        if let Some(awaited) = &mut *self.awaited.lock().unwrap()
            && !awaited.come
        {
            awaited.come = true;
            awaited.waker.wake_by_ref();
        }
    }

    /// Returns when nobody goes on.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            let mut awaited = self.awaited.lock().unwrap();
            match &*awaited {
                Some(Awaited { come: true, .. }) => {
                    *awaited = None;
                    Poll::Ready(())
                }
                _ => {
                    *awaited = Some(Awaited { come: false, waker: context.waker().clone() });
                    Poll::Pending
                }
            }
        })
        .await;
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Stage ===

impl Stage {
    pub(crate) fn new(now_ms: u64, quiet: Arc<Quiet>) -> Self {
        let state = State { next: 0, now_ms, waiting: BTreeMap::new() };
        Self { state: Mutex::new(state), quiet }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns when all wait.
    pub(crate) async fn quiet(&self) {
        self.quiet.wait().await;
    }

    /// Those whose turn it may be, in the order in which they came.
    pub(crate) fn ready(&self) -> Vec<(u64, What)> {
        let state = self.state();
        let now_ms = state.now_ms;
        let due = |what: What| !matches!(what, What::Time { until_ms } if until_ms > now_ms);
        let may = state.waiting.iter().filter(|(_, waiter)| !waiter.hangs && due(waiter.what));
        may.map(|(id, waiter)| (*id, waiter.what)).collect()
    }

    /// How many wait for what may come: whoever called what hangs waits for his patience to end, too.
    pub(crate) fn count(&self) -> usize {
        self.state().waiting.values().filter(|waiter| !waiter.hangs).count()
    }

    /// Lets one go on.
    pub(crate) fn open(&self, id: u64, fault: Option<Fault>) {
        let waiter = self.state().waiting.remove(&id).unwrap();
        let turn = (waiter.what == What::Database).then(|| {
            self.quiet.inside.fetch_add(1, Ordering::SeqCst);
            Turn::ending(Outside(self.quiet.clone()))
        });
        // Who gave up in this moment does not go on.
        drop(waiter.go.send(Go { turn, fault }));
    }

    /// Lets one hang for ever.
    pub(crate) fn hang(&self, id: u64) {
        self.state().waiting.get_mut(&id).unwrap().hangs = true;
    }

    /// When the next one wakes who sleeps.
    pub(crate) fn wakes_ms(&self) -> Option<u64> {
        let state = self.state();
        let until = state.waiting.values().filter_map(|waiter| match waiter.what {
            What::Time { until_ms } if until_ms > state.now_ms => Some(until_ms),
            _ => None,
        });
        until.min()
    }

    /// Lets time pass; who slept until then has his turn when it comes.
    pub(crate) fn pass_until(&self, now_ms: u64) {
        let mut state = self.state();
        state.now_ms = state.now_ms.max(now_ms);
    }

    async fn wait(&self, what: What) -> Go {
        let (go, gone) = oneshot::channel();
        let id = {
            let mut state = self.state();
            let id = state.next;
            state.next += 1;
            state.waiting.insert(id, Waiter { what, hangs: false, go });
            id
        };
        let _leave = Leave(self, id);
        match gone.await {
            Ok(go) => go,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.state().waiting.remove(&self.1);
    }
}

#[async_trait::async_trait]
impl Clock for Stage {
    fn now_ms(&self) -> u64 {
        self.state().now_ms
    }

    async fn sleep(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.now_ms().saturating_add(time);
        self.wait(What::Time { until_ms }).await;
    }
}

impl Turns for Stage {
    fn next(&self) -> Pin<Box<dyn Future<Output = Turn> + Send + '_>> {
        Box::pin(async { self.wait(What::Database).await.turn.unwrap() })
    }
}

impl Director for Stage {
    fn act(&self, called: Called) -> Pin<Box<dyn Future<Output = Option<Fault>> + Send + '_>> {
        Box::pin(async move { self.wait(What::Call(called)).await.fault })
    }

    fn answer(&self, called: Called) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { drop(self.wait(What::Answer(called)).await) })
    }
}
