//! What `up` and `down` say: talk to standard error, data to standard output.

use crate::chain::chain;
use std::io::Write;
use std::process::ExitCode;

/// Says something to the person at the terminal.
pub(crate) fn note(text: &str) {
    // Nobody is left to tell that standard error is closed.
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).ok();
}

/// Prints data.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has seen enough.
    out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush()).ok();
}

/// Says what failed and how to go on.
pub(crate) fn complain(error: &str, hint: Option<&str>) {
    note(&format!("error: {error}"));
    if let Some(hint) = hint {
        note(&format!("hint: {hint}"));
    }
}

/// The exit code of a command that ended so.
pub(crate) fn conclude(ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        complain(&format!("failed to {}", chain(&error)), None);
        ExitCode::FAILURE
    })
}
