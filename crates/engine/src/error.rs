//! What an engine answers when it cannot.

/// Whether, and how, trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later: throttled, unreachable, busy.
    Retry,
    /// The same call will fail again.
    Permanent,
    /// The caller's epoch or expected version is not the newest: somebody else is in charge.
    Stale,
    /// There is no such group, instance or image.
    NotFound,
}

/// Why a call failed. Reads after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Whether trying again can help.
    pub kind: ErrorKind,
    /// What happened, for people.
    pub message: String,
}

impl EngineError {
    /// May succeed later.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Retry, message: message.into() }
    }

    /// Will fail again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Permanent, message: message.into() }
    }

    /// The caller is not the newest.
    pub fn stale(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Stale, message: message.into() }
    }

    /// No such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotFound, message: message.into() }
    }
}
