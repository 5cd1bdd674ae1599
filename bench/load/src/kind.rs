//! The kinds of client.

/// A kind of client: what it asks for, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Kind {
    /// Asks on a new connection each time.
    NewConnection,
    /// Asks on one connection for as long as that stays open.
    KeepAlive,
    /// Asks for `/slow`, a large body, and reads it in small pieces.
    SlowReader,
    /// Sends a body and compares what comes back, on one connection.
    Poster,
    /// Sends the head of its request in pieces, for half a second.
    SlowRequest,
    /// Sends a body in pieces, for a second, and compares what comes back.
    Upload,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NewConnection,
        Self::KeepAlive,
        Self::SlowReader,
        Self::Poster,
        Self::SlowRequest,
        Self::Upload,
    ];

    /// Those who send what they have to say at once.
    pub const PROMPT: [Self; 4] =
        [Self::NewConnection, Self::KeepAlive, Self::SlowReader, Self::Poster];

    /// Its name, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewConnection => "new connection",
            Self::KeepAlive => "keep-alive",
            Self::SlowReader => "slow reader",
            Self::Poster => "poster",
            Self::SlowRequest => "slow request",
            Self::Upload => "upload",
        }
    }

    /// Whether it asks again on the connection of its last answer.
    pub(crate) const fn keeps_connection(self) -> bool {
        matches!(self, Self::KeepAlive | Self::Poster)
    }

    /// Whether it sends a body that must come back.
    pub(crate) const fn posts(self) -> bool {
        matches!(self, Self::Poster | Self::Upload)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
