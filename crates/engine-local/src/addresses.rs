//! Which address each instance has, and which are free.
//!
//! An address comes back only through [`Addresses::release`], which its holder's life calls after
//! the router acknowledged a table without it.

use kiln_container::{Attachment, Bridge, Network, NetworkError};
use kiln_engine::GroupSpec;
use kiln_names::EnvName;
use kiln_protocol::configuration::Network as NetworkMode;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ports given to instances that share the machine's network; below the kernel's own range for
/// outgoing connections, which begins at 32768.
const HOST_PORTS: std::ops::Range<u16> = 20_000..30_000;
/// The addresses of a bridge's network that instances have; 0, 1 and 255 are the network's, the
/// bridge's and the broadcast's.
const HOSTS: std::ops::Range<u8> = 2..255;

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("all {} addresses of environment {env} are taken", HOSTS.len())]
    EnvironmentFull { env: EnvName },
    #[error("all {} ports for instances on the machine's network are taken", HOST_PORTS.len())]
    PortsFull,
    #[error("more environments than an install has networks")]
    TooManyEnvironments,
    #[error(transparent)]
    Network(#[from] NetworkError),
}

#[derive(Debug)]
pub(crate) struct Addresses {
    network: Network,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bridges: HashMap<EnvName, Bridge>,
    hosts: HashMap<EnvName, BTreeSet<u8>>,
    ports: BTreeSet<u16>,
}

impl Addresses {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, taken: Mutex::default() }
    }

    /// Makes sure that an environment's bridge is there.
    pub(crate) fn ensure_bridge(&self, env: &EnvName, place: u32) -> Result<(), AddressError> {
        if self.taken().bridges.contains_key(env) {
            return Ok(());
        }
        let index = u8::try_from(place + 1).map_err(|_| AddressError::TooManyEnvironments)?;
        let bridge = self.network.ensure_bridge(index)?;
        self.taken().bridges.insert(env.clone(), bridge);
        Ok(())
    }

    /// The lowest free address for an instance of the group; port 0 for one that does not listen.
    pub(crate) fn take(&self, spec: &GroupSpec, place: u32) -> Result<SocketAddr, AddressError> {
        let port = spec.run.port.map(std::num::NonZeroU16::get);
        if spec.params.network == NetworkMode::Host {
            return self.take_port(port.is_some());
        }
        self.ensure_bridge(&spec.env, place)?;
        let mut taken = self.taken();
        let held = taken.hosts.entry(spec.env.clone()).or_default();
        let free = HOSTS.clone().find(|host| !held.contains(host));
        let host = free.ok_or_else(|| AddressError::EnvironmentFull { env: spec.env.clone() })?;
        held.insert(host);
        let address = taken.bridges[&spec.env].subnet.address(u32::from(host));
        let address = address.expect("a bridge's network has 256 addresses");
        Ok(SocketAddrV4::new(address, port.unwrap_or(0)).into())
    }

    fn take_port(&self, listens: bool) -> Result<SocketAddr, AddressError> {
        let mut taken = self.taken();
        let port = match listens {
            false => 0,
            true => free_port(&taken.ports).ok_or(AddressError::PortsFull)?,
        };
        taken.ports.insert(port);
        Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())
    }

    /// Takes the address of an instance that an earlier server started.
    pub(crate) fn retake(&self, env: &EnvName, address: SocketAddr) {
        let mut taken = self.taken();
        match host_of(address) {
            Some(host) => taken.hosts.entry(env.clone()).or_default().insert(host),
            None => taken.ports.insert(address.port()),
        };
    }

    /// Gives an address back.
    pub(crate) fn release(&self, env: &EnvName, address: SocketAddr) {
        let mut taken = self.taken();
        match host_of(address) {
            Some(host) => taken.hosts.entry(env.clone()).or_default().remove(&host),
            None => taken.ports.remove(&address.port()),
        };
    }

    /// How an address is joined to its environment's bridge; none on the machine's own network.
    pub(crate) fn attachment(&self, env: &EnvName, address: SocketAddr) -> Option<Attachment> {
        self.taken().bridges.get(env)?.attach(host_of(address)?)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the address that tells instances of a bridge apart.
fn host_of(address: SocketAddr) -> Option<u8> {
    match address.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip.octets()[3]),
        _ => None,
    }
}

/// Somebody else's server may hold a port of the range: binding is the only true test.
fn free_port(taken: &BTreeSet<u16>) -> Option<u16> {
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    HOST_PORTS.filter(|port| !taken.contains(port)).find(free)
}
