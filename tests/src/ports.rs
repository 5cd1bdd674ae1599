//! Ports that stay one's own while nobody listens on them.

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

/// Below those that the kernel hands to whoever connects, so that a restart finds its port again, and
/// above those that Kiln hands to instances on the machine's network.
const PORTS: std::ops::Range<u16> = 30_000..32_000;

/// Where test runs tell each other which ports they use; beside the archives that they share.
const LOCKS: &str = "/var/cache/kiln-tests/ports";

/// Two addresses that no other test gets while this is held, of this run or of another.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) api: SocketAddr,
    pub(crate) http: SocketAddr,
    #[expect(dead_code, reason = "held for as long as the ports are used")]
    locks: [File; 2],
}

impl Ports {
    /// Takes two free ports.
    pub(crate) fn take() -> Result<Self> {
        std::fs::create_dir_all(LOCKS).context("make the directory of locks")?;
        let mut free = PORTS.filter_map(|port| Some((port, lock(port)?)));
        let mut next = || free.next().context("no port is free");
        let ((api, first), (http, second)) = (next()?, next()?);
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { api: at(api), http: at(http), locks: [first, second] })
    }

    /// The API's port on every address of the machine.
    pub(crate) fn api_everywhere(mut self) -> Self {
        self.api.set_ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self
    }

    /// The same ports on every address of the machine.
    pub(crate) fn everywhere(self) -> Self {
        let mut ports = self.api_everywhere();
        ports.http.set_ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        ports
    }
}

/// The lock of a port that is neither taken by another test nor listened on.
fn lock(port: u16) -> Option<File> {
    let lock = File::create(Path::new(LOCKS).join(port.to_string())).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(lock)
}
