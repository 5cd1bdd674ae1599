//! Connections to instances.
//!
//! A connection is driven by the task that uses it: the request's own task writes the request, reads
//! the answer and passes it on, so that no other task has to be woken in between, on this core or
//! another. Only a request with a streamed body gives its connection a task, as both directions must
//! then be able to move on their own.

mod link;
mod pool;
mod streamed;

pub(crate) use link::{Link, Unanswered};
pub(crate) use pool::Pool;
pub(crate) use streamed::Streamed;
