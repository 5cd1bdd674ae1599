//! How a process is asked to stop.

use kiln_names::{Invalid, Span};
use serde::{Deserialize, Serialize};

/// A signal, and the time after which `SIGKILL` follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// What is sent first.
    pub signal: Signal,
    /// How long the process may take.
    pub timeout: Span,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::Term, timeout: Span::seconds(30) }
    }
}

/// A signal that services take as the request to stop.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// What most services stop on.
    Term,
    /// As from a terminal.
    Int,
    /// How nginx stops without dropping requests.
    Quit,
    /// Hang-up.
    Hup,
    /// The service's own.
    Usr1,
    /// The service's own.
    Usr2,
    /// How Apache stops without dropping requests.
    Winch,
    /// No request at all.
    Kill,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Term,
        Self::Int,
        Self::Quit,
        Self::Hup,
        Self::Usr1,
        Self::Usr2,
        Self::Winch,
        Self::Kill,
    ];

    /// The name, as in `kill -l`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Hup => "SIGHUP",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Winch => "SIGWINCH",
            Self::Kill => "SIGKILL",
        }
    }

    /// The number that Linux gives it on x86-64, ARM and RISC-V.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Kill => 9,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
            Self::Term => 15,
            Self::Winch => 28,
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Invalid`] for any other signal.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| {
            let rule = "SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH or SIGKILL";
            Invalid::new(text, "a signal to stop by", rule)
        })
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
kiln_names::checked_text!(Signal);
