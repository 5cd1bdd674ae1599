//! The kinds of client.

/// A kind of client: what it asks for, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Asks for `/` on a new connection each time.
    NewConnection,
    /// Asks for `/` on one connection for as long as that stays open.
    KeepAlive,
    /// Asks for `/slow`, a large body, and reads it in small pieces.
    SlowReader,
    /// Sends a body to `/` and compares what comes back, on one connection.
    Poster,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::NewConnection, Self::KeepAlive, Self::SlowReader, Self::Poster];

    /// What it asks for.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::SlowReader => "/slow",
            _ => "/",
        }
    }

    /// Its name, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewConnection => "new connection",
            Self::KeepAlive => "keep-alive",
            Self::SlowReader => "slow reader",
            Self::Poster => "poster",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
