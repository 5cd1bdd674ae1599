//! How long the service itself takes to start: what no deployment can be faster than.

use super::median;
use anyhow::{Context, Result};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts that are measured; the median counts.
const ROUNDS: usize = 5;
/// As many at once as the deployment starts.
const AT_ONCE: usize = 2;

/// From its command to its first answer, several at once, without Kiln around it.
///
/// # Errors
/// When it does not start.
pub fn own_start(program: &Path) -> Result<Duration> {
    let rounds: Result<Vec<Duration>> = (0..ROUNDS).map(|_| round(program)).collect();
    Ok(median(rounds?))
}

fn round(program: &Path) -> Result<Duration> {
    let addresses = free()?;
    let began = Instant::now();
    let started: Result<Vec<Child>> =
        addresses.iter().map(|address| start(program, *address)).collect();
    let mut started = started?;
    for address in addresses {
        crate::until_some("the service answers", Duration::from_secs(30), || {
            TcpStream::connect(address).ok()
        });
    }
    let took = began.elapsed();
    for child in &mut started {
        child.kill()?;
        child.wait()?;
    }
    Ok(took)
}

fn start(program: &Path, address: SocketAddr) -> Result<Child> {
    // The distribution's, as in the image, even if another one is found first.
    let python = ["/usr/bin/python3", "python3"].into_iter().find(|path| Path::new(path).exists());
    Command::new(python.unwrap_or("python3"))
        .arg(program)
        .env("PORT", address.port().to_string())
        .stdout(Stdio::null())
        .spawn()
        .context("run python3")
}

/// Free addresses, found by listening on all of them at once.
fn free() -> Result<Vec<SocketAddr>> {
    let listeners: std::io::Result<Vec<TcpListener>> =
        (0..AT_ONCE).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    Ok(listeners?.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?)
}
