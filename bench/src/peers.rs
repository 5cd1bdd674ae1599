//! What Kiln is measured beside: each as its users run it, tuned as far as its settings go.

mod background;
mod blue_green;
mod docker;
mod http;
mod proxies;
mod swarm;

pub(crate) use background::Background;
pub(crate) use blue_green::BlueGreen;
pub(crate) use docker::Docker;
pub(crate) use http::Socket;
pub(crate) use proxies::{OTHER_CPU, Proxies, Proxy};
pub(crate) use swarm::Swarm;

use anyhow::{Context, Result};
use std::path::PathBuf;

/// A checked-in file beside the peers' code.
fn file(name: &str) -> PathBuf {
    kiln_tests::repository().join("bench/peers").join(name)
}

/// Whether a program is installed.
fn installed(program: &str) -> Result<()> {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "command -v \"$0\"", program]).env("PATH", PATH);
    let found = command.output().is_ok_and(|output| output.status.success());
    found.then_some(()).with_context(|| format!("{program} is not installed"))
}

/// Where programs are looked for: those of the distribution first.
const PATH: &str = "/usr/bin:/usr/sbin:/bin:/sbin:/usr/local/bin:/usr/local/sbin";
