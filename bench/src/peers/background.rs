//! A program that runs beside what is measured, and is ended and waited for.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};

/// A running program. Dropping it asks it to end, and waits until it has.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command.env("PATH", super::PATH).stdin(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("run {command:?}"))?))
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or_default()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            // Gone already is as good.
            kill_process(pid, Signal::TERM).ok();
        }
        self.0.wait().ok();
    }
}
