//! Telling a service manager that this process is ready, as `sd_notify(3)` describes it.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where the manager listens, if there is one.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Set by the manager for every process that it starts.
const INVOCATION: &str = "INVOCATION_ID";

/// Whether a service manager started this process, and will start it again.
pub(crate) fn managed() -> bool {
    variable(INVOCATION).is_some()
}

/// Says that this process does the unit's work from now on; without a manager, nothing.
pub(crate) fn ready() -> Result<()> {
    let Some(socket) = variable(SOCKET) else { return Ok(()) };
    let address = match socket.as_bytes().split_first() {
        // A name without a file.
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&socket),
    };
    let text = format!("READY=1\nMAINPID={}\n", std::process::id());
    let told = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address));
    told.map(drop).with_context(|| format!("tell the service manager at {}", socket.display()))
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
