//! Ctrl-C: what is being measured fails, and everything is taken down as after any other failure.

use anyhow::{Context, Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes the signal from now on. The commands that run get it, too, and fail by it.
pub(crate) fn take() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signal = {
        let _inside = runtime.enter();
        let kind = tokio::signal::unix::SignalKind::interrupt();
        tokio::signal::unix::signal(kind).context("take the signal")?
    };
    std::thread::spawn(move || {
        runtime.block_on(signal.recv());
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Fails once it was pressed.
pub(crate) fn check() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
