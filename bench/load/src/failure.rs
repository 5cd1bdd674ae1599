//! Why a request had no right answer.

/// What went wrong, in a word or two, and in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: Why,
    pub(crate) what: String,
}

/// Why a request had no right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// No connection could be made.
    NoConnection,
    /// The connection ended before a byte of the request was sent. On a connection that was kept,
    /// that fails nobody: the request goes over a new one.
    NotSent,
    /// The connection ended before the head of an answer came.
    NoAnswer,
    /// The answer did not come, or not whole, in time.
    Late,
    /// The body of the answer broke off.
    BrokeOff,
    /// The answer was not 200.
    Status,
    /// The answer was not what it had to be.
    Wrong,
    /// It was not begun: too many others were waiting for their answers.
    NotBegun,
}

impl Why {
    /// In words, for people and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::NotSent => "not sent",
            Self::NoAnswer => "no answer",
            Self::Late => "too late",
            Self::BrokeOff => "broke off",
            Self::Status => "status",
            Self::Wrong => "wrong",
            Self::NotBegun => "not begun",
        }
    }

    pub(crate) fn because(self, what: impl Into<String>) -> Failure {
        Failure { why: self, what: what.into() }
    }
}

impl Failure {
    pub(crate) fn was_not_sent(&self) -> bool {
        self.why == Why::NotSent
    }

    /// The same, said of a certain request.
    pub(crate) fn of(self, request: &str) -> Self {
        Self { why: self.why, what: format!("{request}: {}", self.what) }
    }
}

/// An error and what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
