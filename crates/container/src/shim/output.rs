//! Where what a container writes goes: into its log, or back to the caller.

use super::detach;
use super::log::Log;
use crate::attached::Stream;
use crate::clock::Timestamp;
use crate::spec;
use std::io::{self, Write};
use std::path::Path;

/// The destination of an instance's output.
pub(super) enum Output {
    Log(Log),
    Caller(io::Stdout),
}

impl Output {
    /// Opens it. When nobody but the log listens, the caller's line is closed.
    pub(super) fn open(kind: spec::Output, dir: &Path) -> io::Result<Self> {
        match kind {
            spec::Output::Log => {
                detach::hang_up()?;
                Log::open(dir).map(Self::Log)
            }
            spec::Output::Caller => Ok(Self::Caller(io::stdout())),
        }
    }

    /// Takes what was read from one stream.
    ///
    /// # Errors
    /// When the caller is gone. A log never fails: what it cannot write it counts.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Log(log) => {
                log.take(stream, bytes, Timestamp::now());
                Ok(())
            }
            Self::Caller(caller) => {
                let mut caller = caller.lock();
                caller.write_all(&stream.header(bytes.len()))?;
                caller.write_all(bytes)?;
                caller.flush()
            }
        }
    }

    /// Writes what a last line without an end holds.
    pub(super) fn finish(&mut self) {
        if let Self::Log(log) = self {
            log.finish(Timestamp::now());
        }
    }

    /// Whether somebody may stop listening.
    pub(super) const fn has_caller(&self) -> bool {
        matches!(self, Self::Caller(_))
    }
}
