//! The exit codes of the command line. Their meaning is fixed: people's scripts rely on it.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Kiln itself failed.
    Internal = 1,
    /// The command was not understood.
    Usage = 2,
    /// The deployment failed and was undone; [`Exit::DRIFT`].
    Undone = 3,
    /// Invalid; nothing changed.
    Invalid = 4,
    /// A conflict, or locked.
    Conflict = 5,
    /// Not found.
    NotFound = 6,
    /// Not allowed.
    NotAllowed = 7,
    /// The server is not reachable.
    Unreachable = 8,
    /// The deployment is stuck: a person is needed.
    Stuck = 9,
}

impl Exit {
    /// Something is not as Kiln made it: what `kiln drift` ends with then.
    pub const DRIFT: Self = Self::Undone;

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
