//! Why a question got no answer.

use crate::Endpoint;
use kiln_protocol::{Exit, Problem};

/// Why a question got no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one.
    #[error("{url:?} is not a Kiln's URL: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token has characters that no header can carry.
    #[error("the token is not one: it has characters that no token has")]
    Token,
    /// Nobody answers there.
    #[error("no Kiln answers at {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to Kiln was lost")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came for too long.
    #[error("Kiln has not answered for {seconds} s")]
    Silent {
        /// How long.
        seconds: u64,
    },
    /// What is to be sent cannot be read.
    #[error("what is to be sent cannot be read")]
    Upload(#[source] std::io::Error),
    /// The answer is not what this program understands.
    #[error("Kiln's answer is not understood: {0}")]
    Answer(String),
    /// Kiln said no.
    #[error(transparent)]
    Problem(Box<Problem>),
}

impl ClientError {
    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } | Self::Token => Exit::Usage,
            Self::Unreachable { source, .. } if is_denied(source) => Exit::NotAllowed,
            Self::Unreachable { .. } | Self::Lost(_) | Self::Silent { .. } => Exit::Unreachable,
            Self::Upload(_) | Self::Answer(_) => Exit::Internal,
            Self::Problem(problem) => problem.exit(),
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { source, .. } if is_denied(source) => {
                Some("run it as root, or give --url and --token.".to_owned())
            }
            Self::Unreachable { endpoint: Endpoint::Unix(socket), .. } => {
                let data = socket.parent().unwrap_or(socket).display();
                Some(format!("start it with: kiln up --data {data}"))
            }
            Self::Unreachable { endpoint: Endpoint::Tcp { .. }, .. } => {
                Some("start it there with: kiln up --api ADDR".to_owned())
            }
            Self::Answer(_) => Some("compare kiln --version here and there.".to_owned()),
            Self::Problem(problem) => problem.hint.clone(),
            _ => None,
        }
    }

    /// Whether asking again on a new connection may succeed.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Lost(_) | Self::Silent { .. })
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

fn is_denied(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}
