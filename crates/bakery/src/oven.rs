//! Where and how the steps of all bakes run.

use kiln_container::{Attachment, Bridge, Limits};
use kiln_names::{ByteSize, InstallId, InstanceId};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What one step may use: a package manager takes a tenth of it, compilers may take more.
const STEP_LIMITS: Limits =
    Limits { memory: Some(ByteSize::mib(4096)), cpu_millis: None, pids: Some(4096) };

/// Where and how steps run.
#[derive(Clone)]
pub struct Settings {
    /// The binary that runs as `kiln shim`.
    pub exe: PathBuf,
    /// Whose steps they are.
    pub install: InstallId,
    /// The bridge that steps join to reach package mirrors; without one they reach nothing.
    pub bridge: Option<Bridge>,
    /// Makes fresh random ids.
    pub ids: Arc<dyn Fn() -> InstanceId + Send + Sync>,
    /// What one step may use.
    pub limits: Limits,
}

impl Settings {
    /// Settings with the usual limits.
    pub fn new(
        exe: PathBuf,
        install: InstallId,
        bridge: Option<Bridge>,
        ids: impl Fn() -> InstanceId + Send + Sync + 'static,
    ) -> Self {
        Self { exe, install, bridge, ids: Arc::new(ids), limits: STEP_LIMITS }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exe, install, bridge, limits, ids: _ } = self;
        f.debug_struct("Settings")
            .field("exe", exe)
            .field("install", install)
            .field("bridge", bridge)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// What all steps share.
#[derive(Debug)]
pub(crate) struct Oven {
    pub(crate) settings: Settings,
    /// The host number given out last: an address is used again as late as possible.
    last_host: Mutex<u8>,
}

impl Oven {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, last_host: Mutex::new(1) }
    }

    /// Where the next container joins the bridge.
    pub(crate) fn attachment(&self) -> Option<Attachment> {
        let bridge = self.settings.bridge.as_ref()?;
        let mut last = self.last_host.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if *last >= 254 { 2 } else { *last + 1 };
        bridge.attach(*last)
    }
}
