//! Refusals of the configuration's repositories.

use super::Refusal;
use kiln_config::{AskError, EnsureError, LogError, PutError, ReadError};
use kiln_protocol::Code;

impl From<EnsureError> for Refusal {
    fn from(error: EnsureError) -> Self {
        Self::internal(&error)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        use ReadError as E;
        match &error {
            E::UnknownRevision(_) => Self::of(Code::CommitNotFound, &error),
            E::Ambiguous(_) => Self::of(Code::Ambiguous, &error),
            E::MissingFile { .. } => Self::of(Code::FileNotFound, &error),
            E::TooLong { .. } | E::NotText { .. } => Self::of(Code::InvalidConfiguration, &error),
            E::NotFound(..) | E::Git(_) => Self::internal(&error),
        }
    }
}

impl From<PutError> for Refusal {
    fn from(error: PutError) -> Self {
        use PutError as E;
        match &error {
            E::Conflict { .. } => Self::of(Code::StaleCommit, &error)
                .hint("look at what is there with kiln config show, and put again."),
            E::Invalid(_) | E::NotText(_) => Self::of(Code::InvalidConfiguration, &error),
            E::NoMessage => Self::of(Code::Invalid, &error),
            E::NotFound(..) | E::Git(_) => Self::internal(&error),
        }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self::internal(&error)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        use AskError as E;
        match &error {
            E::Busy => Self::of(Code::Unavailable, &error).hint("try again."),
            E::TooLong(_) => Self::of(Code::TooLarge, &error),
            E::Body(_) => Self::of(Code::BadRequest, &error),
            E::Deadline => Self::of(Code::Timeout, &error),
            E::Io(_) | E::Git(_) => Self::internal(&error),
        }
    }
}
