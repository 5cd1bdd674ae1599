//! Idle connections to one instance.

use super::link::Link;
use crate::shard::Sharded;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// The most idle connections kept by one thread for one instance.
const MOST_IDLE: usize = 64;
/// A connection idle for longer is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Idle connections, the latest used on top, a stack per thread.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    stacks: Sharded<Mutex<Vec<Idle>>>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    /// The connection used last, if that is at most `age` ago. It may be closed by now.
    pub(crate) fn take(&self, now: Instant, age: Duration) -> Option<Link> {
        let fresh = |idle: &mut Idle| now.duration_since(idle.since) <= age;
        self.stacks.all().find_map(|stack| locked(stack).pop_if(fresh)).map(|idle| idle.link)
    }

    /// Keeps a connection that has nothing left to do.
    pub(crate) fn put(&self, link: Link, now: Instant) {
        let mut stack = locked(self.stacks.mine());
        if stack.len() < MOST_IDLE && !self.closed.load(SeqCst) {
            stack.push(Idle { link, since: now });
        }
    }

    /// Drops what the instance has closed and what nobody has used for long.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut nobody = Context::from_waker(Waker::noop());
        for stack in self.stacks.all() {
            locked(stack).retain_mut(|idle| {
                now.duration_since(idle.since) <= LONGEST_IDLE && idle.link.is_open(&mut nobody)
            });
        }
    }

    /// Closes every connection and keeps none from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.stacks.all().for_each(|stack| locked(stack).clear());
    }

    /// Keeps connections again.
    pub(crate) fn open(&self) {
        self.closed.store(false, SeqCst);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A stack is whole after every step, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn link(listener: &TcpListener) -> Link {
        Link::open(listener.local_addr().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_twice_gets_no_connection_idle_for_long() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (pool, now) = (Pool::default(), Instant::now());
        pool.put(link(&listener).await, now);
        let later = now + Duration::from_secs(2);
        assert!(pool.take(later, Duration::from_secs(1)).is_none());
        assert!(pool.take(later, Duration::MAX).is_some());
        assert!(pool.take(later, Duration::MAX).is_none());
    }

    #[tokio::test]
    async fn connections_are_closed_after_long_idleness_and_when_their_instance_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (pool, now) = (Pool::default(), Instant::now());
        pool.put(link(&listener).await, now);
        pool.sweep(now + LONGEST_IDLE);
        pool.sweep(now + LONGEST_IDLE + Duration::from_millis(1));
        assert!(pool.take(now, Duration::MAX).is_none());
        pool.put(link(&listener).await, now);
        pool.close();
        pool.put(link(&listener).await, now);
        assert!(pool.take(now, Duration::MAX).is_none());
        pool.open();
        pool.put(link(&listener).await, now);
        assert!(pool.take(now, Duration::MAX).is_some());
    }
}
