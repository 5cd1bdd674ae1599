//! What the kernel says of an instance and of an install, beside what their specs say: looked at,
//! never changed.

mod limits;
mod network;
mod root;
mod strangers;
mod walls;

pub(crate) use network::names as interface_names;
pub use network::{firewall, interfaces, links};

use crate::cgroups::Cgroups;
use crate::ident::Boot;
use crate::record::State;
use crate::spec::InstanceSpec;
use std::path::Path;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What is looked at, in a few words.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// What puts it right, where that is not replacing the instance.
    pub mend: Option<String>,
}

impl Gap {
    pub(crate) fn new(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), expected: expected.into(), found: found.into(), mend: None }
    }

    pub(crate) fn mended_by(mut self, words: impl Into<String>) -> Self {
        self.mend = Some(words.into());
        self
    }
}

/// Everything about a running instance that is not as its spec says. `spec` is what it should be,
/// whatever its files say.
#[must_use]
pub fn instance(dir: &Path, spec: &InstanceSpec, cgroups: &Cgroups, boot: &Boot) -> Vec<Gap> {
    let State { shim, pid, .. } = match State::read(dir) {
        Ok(Some(state)) => state,
        Ok(None) => return vec![Gap::new("state.json", "a shim and its process", "no such file")],
        Err(error) => return vec![Gap::new("state.json", "a readable file", error.to_string())],
    };
    let mut gaps = Vec::new();
    if !shim.is_alive(boot) {
        gaps.push(Gap::new("its shim", format!("process {} since its start", shim.pid), "gone"));
    }
    gaps.extend(stopped("its shim", shim.pid));
    gaps.extend(stopped("its main process", pid));
    match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => gaps.extend(walls::of(&status, shim.pid, spec)),
        Err(_) => gaps.push(Gap::new("its main process", format!("process {pid}"), "gone")),
    }
    if let Ok(mounts) = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")) {
        gaps.extend(root::compare(&mounts, spec));
    }
    gaps.extend(limits::compare(&spec.limits, &cgroups.limits(&spec.instance)));
    gaps.extend(strangers::of(cgroups, &spec.instance, pid));
    gaps.extend(network::of_instance(spec));
    gaps
}

/// A process that a signal holds does nothing, and looks well to who only asks whether it lives.
fn stopped(what: &str, pid: i32) -> Option<Gap> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    let held = matches!(state, 'T' | 't');
    held.then(|| {
        let found = format!("process {pid} is stopped by a signal");
        Gap::new(what, "running", found).mended_by(format!("kill -CONT {pid}"))
    })
}
