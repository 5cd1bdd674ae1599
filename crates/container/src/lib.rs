//! Runs one process tree from a root file system, and outlives whoever asked for it.
//!
//! ```text
//! server ── launch ──▶ shim (one process per instance, single-threaded)
//!                       ├─ its own network namespace, joined to a bridge
//!                       ├─ container: pid, mount, ipc, uts, cgroup namespaces; read-only root
//!                       ├─ log, log.1 … log.4        what the container wrote
//!                       ├─ state.json                who the shim is, for the next server
//!                       └─ exit.json                 how it ended, written before the shim ends
//!        ── enter ───▶ visit: one command inside a running instance, watched to its end
//! ```
//!
//! The server's half ([`launch`], [`Instance`], [`fn@enter`], [`Cgroups`], [`Network`], [`step`]) never
//! touches namespaces or `libcontainer`: that only works in a process with one thread, and
//! [`shim::main`] and [`shim::visit::main`] are those processes.
//!
//! # Invariants
//! * Mounts of an instance live in its own mount namespace and nowhere else.
//! * Nothing pins its network namespace: it goes, with both ends of its link, when its last process
//!   does.
//! * The values of secrets are in pipes and in memory, never on disk, in arguments or variables.
//! * A process is known by boot, pid and start time together, never by its pid.
//! * This is the only crate with `unsafe` in it.

pub mod inspect;
pub mod shim;
pub mod step;

mod attached;
mod cgroups;
mod clock;
mod enter;
mod error;
mod ident;
mod launch;
mod netlink;
mod network;
mod program;
mod record;
mod spec;

pub use attached::{Attached, Stream, attach};
pub use cgroups::{Cgroups, Usage};
pub use enter::{EnterError, Entered, LINE_CHARACTERS, LINES, enter};
pub use ident::{Boot, ProcessIdent};
pub use launch::{
    Adopted, CleanupError, Instance, LaunchError, cleanup, exit_record, launch, launch_with,
    signal_stop, wait,
};
pub use network::{Attachment, Bridge, Network, NetworkError, Subnet};
pub use record::{ExitRecord, log_files};
pub use spec::{
    InstanceSpec, Limits, NetworkMode, Output, Rlimit, Root, SECRETS_DIR, Stop, User, Volume,
    WritableLayer,
};

/// The program that every image starts with, static and stripped; see `kiln-init`.
pub const KILN_INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kiln-init"));
