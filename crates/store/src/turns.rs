//! When connections are handed out, for tests that choose the order in which everything happens.
//!
//! SQLite works in threads of its own, which answer in an order that nobody can have again. A test that
//! lets one task at a time have a connection, and lets it go on until it waits for something else,
//! sees the same things happen in the same order each time.

use std::any::Any;
use std::pin::Pin;

/// Hands out connections one after another, in an order of its own.
pub trait Turns: Send + Sync + std::fmt::Debug {
    /// Returns when the caller may have a connection.
    fn next(&self) -> Pin<Box<dyn Future<Output = Turn> + Send + '_>>;
}

/// One connection's turn, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "dropping it tells")] Box<dyn Any + Send>);

impl Turn {
    /// A turn that drops the given value when it ends.
    #[must_use]
    pub fn ending(end: impl Send + 'static) -> Self {
        Self(Box::new(end))
    }
}
