//! `kiln config-hook`: git's `pre-receive` hook of the configuration's repositories. It is run by git,
//! in the repository, when someone pushes.

use crate::chain::chain;
use crate::say;
use anyhow::{Context, Result};
use kiln_config::{Quarantine, judge};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// The most that git tells of a push: a line for each reference, and more than one is refused.
const MAX_UPDATES: u64 = 1 << 20;

/// Judges a push. What it says is shown to the person who pushes.
pub(crate) fn run() -> ExitCode {
    match judged() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(&plain(&chain(&error)));
            say::note("Nothing has changed.");
            ExitCode::FAILURE
        }
    }
}

fn judged() -> Result<()> {
    let mut updates = String::new();
    std::io::stdin().lock().take(MAX_UPDATES).read_to_string(&mut updates).context("read")?;
    let quarantine = Quarantine::of(std::env::vars_os());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start")?;
    Ok(runtime.block_on(judge(Path::new("."), &quarantine, &updates))?)
}

/// The same without what would command the terminal of the one who pushes.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
