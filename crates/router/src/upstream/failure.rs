//! Requests that got no answer.

use std::error::Error;

/// How far a request had come when it failed, which decides whether it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The instance got no byte of it.
    Nothing,
    /// It got some or all, and did not begin to answer.
    Something,
    /// At least one byte of an answer came.
    AnswerBegan,
}

/// A request got no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) sent: Sent,
    pub(crate) error: Box<dyn Error + Send + Sync>,
}

impl Unanswered {
    pub(crate) fn new(sent: Sent, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { sent, error: error.into() }
    }
}
