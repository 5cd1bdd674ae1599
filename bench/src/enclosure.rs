//! Namespaces of their own for everything that is measured: Kiln and its peers stand in the same
//! surroundings, nobody else's packets pass the rules that dockerd makes, ports are free, and
//! bridges, rules and mounts end with the last process.

use anyhow::{Context, Result, ensure};
use std::process::{Command, ExitCode};

/// An address that is not loopback, which a swarm insists on having (RFC 5737).
pub(crate) const ADDRESS: &str = "192.0.2.1";

/// Runs this program again, with the same arguments, in the enclosure.
pub(crate) fn run_there() -> Result<ExitCode> {
    let this = std::env::current_exe().context("find this program")?;
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "--"])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .arg("--enclosed")
        .status()
        .context("run unshare")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Brings up what a machine has. There is no way out of it: nothing is looked up or fetched, and what
/// tries to fails at once.
pub(crate) fn furnish() -> Result<()> {
    for words in [
        "link set lo up",
        "link add outside type bridge",
        &format!("address add {ADDRESS}/24 dev outside"),
        "link set outside up",
    ] {
        let status = Command::new("ip").args(words.split(' ')).status().context("run ip")?;
        ensure!(status.success(), "ip {words}: {status}");
    }
    Ok(())
}
