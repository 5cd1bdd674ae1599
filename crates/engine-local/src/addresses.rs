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
    #[error(
        "all {room} networks of this Kiln are taken, one for each environment: delete an environment \
         (kiln env delete), or give it a larger network (kiln down, then kiln up --network CIDR)"
    )]
    TooManyEnvironments { room: u32 },
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
    isolated: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
}

impl Addresses {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, taken: Mutex::default() }
    }

    /// The bridge that has a place.
    ///
    /// # Errors
    /// When there are fewer places.
    pub(crate) fn bridge_at(&self, place: u32) -> Result<u8, AddressError> {
        let room = self.network.room();
        let index = u8::try_from(place + 1).ok().filter(|_| place < room);
        index.ok_or(AddressError::TooManyEnvironments { room })
    }

    /// Makes sure that a segment's bridge is there. A place may have been another's once.
    fn ensure_bridge(&self, segment: &Segment, place: u32) -> Result<Bridge, AddressError> {
        let index = self.bridge_at(place)?;
        let subnet = self.network.bridge_subnet(index);
        let known = self.taken().bridges.get(segment).cloned();
        if let Some(known) = known.filter(|known| Some(known.subnet) == subnet) {
            return Ok(known);
        }
        let bridge = self.network.ensure_bridge(index)?;
        self.taken().bridges.insert(segment.clone(), bridge.clone());
        Ok(bridge)
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
        let bridge = self.ensure_bridge(segment, place)?;
        let mut taken = self.taken();
        let all = HOSTS.filter_map(|host| bridge.subnet.address(u32::from(host)));
        let free = all.into_iter().find(|address| !taken.isolated.contains(address));
        let address = free.ok_or_else(|| AddressError::SegmentFull { segment: segment.clone() })?;
        taken.isolated.insert(address);
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
    pub(crate) fn retake(&self, address: SocketAddr) {
        let mut taken = self.taken();
        match isolated(address) {
            Some(ip) => taken.isolated.insert(ip),
            None => taken.ports.insert(address.port()),
        };
    }

    /// Gives an address back.
    pub(crate) fn release(&self, address: SocketAddr) {
        let mut taken = self.taken();
        match isolated(address) {
            Some(ip) => taken.isolated.remove(&ip),
            None => taken.ports.remove(&address.port()),
        };
    }

    /// How an address is joined to its segment's bridge; none on the machine's own network.
    pub(crate) fn attachment(&self, segment: &Segment, address: SocketAddr) -> Option<Attachment> {
        let [.., host] = isolated(address)?.octets();
        let attachment = self.taken().bridges.get(segment)?.attach(host)?;
        Some(Attachment { apart: *segment == Segment::Runs, ..attachment })
    }

    /// The same, of the environment at the given place, whether its bridge is there or not.
    pub(crate) fn attachment_at(&self, place: u32, address: SocketAddr) -> Option<Attachment> {
        let [.., host] = isolated(address)?.octets();
        self.network.bridge(u8::try_from(place + 1).ok()?)?.attach(host)
    }

    /// The install's network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
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

/// The address on a bridge; none on the machine's own network.
fn isolated(address: SocketAddr) -> Option<Ipv4Addr> {
    match address.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
        _ => None,
    }
}

/// Somebody else's server may hold a port of the range: binding is the only true test.
fn free_port(taken: &BTreeSet<u16>) -> Option<u16> {
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    HOST_PORTS.filter(|port| !taken.contains(port)).find(free)
}
