//! Connections to instances.
//!
//! A connection is driven by the task that uses it: the request's own task writes the request, reads
//! the answer and passes it on, so that no other task has to be woken in between, on this core or
//! another. What is written and read there is kept as plain as it can be, because it is half of
//! what a request costs. Only a request with a streamed body or an upgrade goes by hyper, over a
//! connection with a task of its own, as both directions must then be able to move on their own.

mod detached;
mod failure;
mod framing;
mod head;
mod link;
mod pool;
mod streamed;

pub(crate) use detached::{Alone, Detached};
pub(crate) use failure::{Sent, Unanswered};
pub(crate) use link::{Answer, Link};
pub(crate) use pool::Pool;
pub(crate) use streamed::Streamed;
