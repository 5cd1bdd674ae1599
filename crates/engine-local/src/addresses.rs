//! Which address each instance has, and which are free.
//!
//! An address comes back only through [`Addresses::release`], which its holder's life calls after
//! the router acknowledged a table without it.

use kiln_container::{Attachment, Bridge, Network, NetworkError};
use kiln_names::EnvName;
use kiln_protocol::configuration::Network as NetworkMode;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
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
    #[error("all {} addresses of {segment} are taken", HOSTS.len())]
    SegmentFull { segment: Segment },
    #[error("all {} ports for instances on the machine's network are taken", HOST_PORTS.len())]
    PortsFull,
    #[error("more environments than an install has networks")]
    TooManyEnvironments,
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Who shares a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// The instances of an environment.
    Environment(EnvName),
    /// Runs outside of any. The bridge keeps them from one another.
    Runs,
}

#[derive(Debug)]
pub(crate) struct Addresses {
    network: Network,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bridges: HashMap<Segment, Bridge>,
    hosts: HashMap<Segment, BTreeSet<u8>>,
    ports: BTreeSet<u16>,
}

impl Addresses {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, taken: Mutex::default() }
    }

    /// Makes sure that a segment's bridge is there.
    pub(crate) fn ensure_bridge(&self, segment: &Segment, place: u32) -> Result<(), AddressError> {
        if self.taken().bridges.contains_key(segment) {
            return Ok(());
        }
        let index = u8::try_from(place + 1).map_err(|_| AddressError::TooManyEnvironments)?;
        let bridge = self.network.ensure_bridge(index)?;
        self.taken().bridges.insert(segment.clone(), bridge);
        Ok(())
    }

    /// The lowest free address of a segment that has the place; port 0 for what does not listen.
    pub(crate) fn take(
        &self,
        segment: &Segment,
        place: u32,
        mode: NetworkMode,
        port: Option<NonZeroU16>,
    ) -> Result<SocketAddr, AddressError> {
        if mode == NetworkMode::Host {
            return self.take_port(port.is_some());
        }
        self.ensure_bridge(segment, place)?;
        let mut taken = self.taken();
        let held = taken.hosts.entry(segment.clone()).or_default();
        let free = HOSTS.clone().find(|host| !held.contains(host));
        let host = free.ok_or_else(|| AddressError::SegmentFull { segment: segment.clone() })?;
        held.insert(host);
        let address = taken.bridges[segment].subnet.address(u32::from(host));
        let address = address.expect("a bridge's network has 256 addresses");
        Ok(SocketAddrV4::new(address, port.map_or(0, NonZeroU16::get)).into())
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
        let segment = Segment::Environment(env.clone());
        match host_of(address) {
            Some(host) => taken.hosts.entry(segment).or_default().insert(host),
            None => taken.ports.insert(address.port()),
        };
    }

    /// Gives an address back.
    pub(crate) fn release(&self, segment: &Segment, address: SocketAddr) {
        let mut taken = self.taken();
        match host_of(address) {
            Some(host) => taken.hosts.entry(segment.clone()).or_default().remove(&host),
            None => taken.ports.remove(&address.port()),
        };
    }

    /// How an address is joined to its segment's bridge; none on the machine's own network.
    pub(crate) fn attachment(&self, segment: &Segment, address: SocketAddr) -> Option<Attachment> {
        let attachment = self.taken().bridges.get(segment)?.attach(host_of(address)?)?;
        Some(Attachment { apart: *segment == Segment::Runs, ..attachment })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&EnvName> for Segment {
    fn from(env: &EnvName) -> Self {
        Self::Environment(env.clone())
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(env) => write!(f, "environment {env}"),
            Self::Runs => f.write_str("the network of runs"),
        }
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
