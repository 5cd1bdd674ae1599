//! A router that is told to begin anew starts its successor itself, so that a service manager sees one
//! unit with a process that changes.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::process::{Command, Stdio};
use tokio::signal::unix::{SignalKind, signal};

/// Starts a successor at each SIGHUP, from the file that this process was started from: it may hold
/// another program by now. One that fails says so itself, and changes nothing.
pub(crate) async fn at_hangups() -> Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("listen to signals")?;
    while hangup.recv().await.is_some() {
        if let Err(error) = start_successor() {
            tracing::error!(%error, "no successor started; this router goes on");
        }
    }
    Ok(())
}

fn start_successor() -> std::io::Result<()> {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| OsString::from("kiln"));
    let mut command = Command::new(program);
    command.args(words.filter(|word| word != "--take-over")).arg("--take-over");
    let mut successor = command.stdin(Stdio::null()).spawn()?;
    std::thread::spawn(move || match successor.wait() {
        Ok(status) if status.success() => {}
        ended => tracing::warn!(?ended, "the successor ended"),
    });
    Ok(())
}
