//! Which address each instance has, and which are free.
//!
//! Docker would give the address of a container that stopped to the next one at once. Kiln chooses
//! them itself, so that none comes back before the router has let go of it, and goes round, so that
//! none comes back soon.

use kiln_engine::EngineError;
use kiln_names::{EnvName, InstallId};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A network of an engine, such as 172.18.0.0/16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    first: u32,
    bits: u32,
}

/// How an instance is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At an address of its own on a bridge.
    Bridge,
    /// At a port of a machine.
    Port,
}

#[derive(Debug)]
pub(crate) struct Addresses {
    ports: RangeInclusive<u16>,
    /// Whether a port can be tried: the engine is on this machine.
    here: bool,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    subnet: Option<Subnet>,
    /// Where ports are reached.
    node: Option<IpAddr>,
    ips: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
    last_ip: u32,
    last_port: u16,
}

impl Subnet {
    /// Reads `172.18.0.0/16`; of what is no network, or too small for one instance, nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, bits) = text.split_once('/')?;
        let (first, bits): (Ipv4Addr, u32) = (first.parse().ok()?, bits.parse().ok()?);
        let subnet = Self { first: first.to_bits(), bits };
        let aligned = || Self { first: subnet.first & subnet.mask(), bits };
        (8..=29).contains(&bits).then(aligned)
    }

    const fn mask(self) -> u32 {
        u32::MAX << (32 - self.bits)
    }

    /// How many addresses instances can have: without the network's, the bridge's and the last one.
    const fn room(self) -> u32 {
        !self.mask() - 2
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.bits)
    }
}

impl Addresses {
    /// Environments that share an engine begin at different ports, so that they rarely meet.
    pub(crate) fn new(
        ports: RangeInclusive<u16>,
        here: bool,
        owner: (InstallId, &EnvName),
    ) -> Self {
        let digest = kiln_names::Digest::of(format!("{}/{}", owner.0, owner.1).as_bytes()).hex();
        let some = digest.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let count = u16::try_from(ports.len()).unwrap_or(u16::MAX);
        let last_port = ports.start() + some.unwrap_or_default() % count.max(1);
        let taken = Taken {
            subnet: None,
            node: None,
            ips: BTreeSet::new(),
            ports: BTreeSet::new(),
            last_ip: 0,
            last_port,
        };
        Self { ports, here, taken: Mutex::new(taken) }
    }

    /// Takes the subnet whose addresses are given out.
    pub(crate) fn set_subnet(&self, subnet: Subnet) {
        self.taken().subnet = Some(subnet);
    }

    /// Takes the address where ports are reached.
    pub(crate) fn set_node(&self, node: IpAddr) {
        self.taken().node = Some(node);
    }

    /// The next free address; port 0 for what does not listen.
    pub(crate) fn reserve(
        &self,
        way: Way,
        port: Option<NonZeroU16>,
    ) -> Result<SocketAddr, EngineError> {
        let mut taken = self.taken();
        match way {
            Way::Bridge => {
                let ip = taken.free_ip()?;
                Ok(SocketAddr::new(ip.into(), port.map_or(0, NonZeroU16::get)))
            }
            Way::Port => {
                let unknown = "where the engine's ports are reached is not known yet";
                let node = taken.node.ok_or_else(|| EngineError::retry(unknown))?;
                let port = match port {
                    Some(_) => taken.free_port(&self.ports, self.here)?,
                    None => 0,
                };
                Ok(SocketAddr::new(node, port))
            }
        }
    }

    /// Takes the address of an instance that an earlier server started.
    pub(crate) fn retake(&self, way: Way, address: SocketAddr) {
        let mut taken = self.taken();
        match (way, address.ip()) {
            (Way::Bridge, IpAddr::V4(ip)) => drop(taken.ips.insert(ip)),
            _ => drop(taken.ports.insert(address.port())),
        }
    }

    /// Gives an address back.
    pub(crate) fn release(&self, way: Way, address: SocketAddr) {
        let mut taken = self.taken();
        match (way, address.ip()) {
            (Way::Bridge, IpAddr::V4(ip)) => drop(taken.ips.remove(&ip)),
            _ => drop(taken.ports.remove(&address.port())),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn free_ip(&mut self) -> Result<Ipv4Addr, EngineError> {
        let unknown = "the environment's network is not there yet";
        let subnet = self.subnet.ok_or_else(|| EngineError::retry(unknown))?;
        let room = subnet.room();
        for step in 1..=room {
            let place = (self.last_ip + step) % room;
            let ip = Ipv4Addr::from_bits(subnet.first + 2 + place);
            if self.ips.insert(ip) {
                self.last_ip = place;
                return Ok(ip);
            }
        }
        Err(EngineError::retry(format!("all {room} addresses of the network {subnet} are taken")))
    }

    fn free_port(&mut self, ports: &RangeInclusive<u16>, here: bool) -> Result<u16, EngineError> {
        let (first, count) = (*ports.start(), u32::try_from(ports.len()).unwrap_or(1));
        for step in 1..=count {
            let place = (u32::from(self.last_port.saturating_sub(first)) + step) % count;
            let port = first + u16::try_from(place).unwrap_or_default();
            if !self.ports.contains(&port) && (!here || is_free(port)) {
                self.ports.insert(port);
                self.last_port = port;
                return Ok(port);
            }
        }
        let (first, last) = (ports.start(), ports.end());
        Err(EngineError::retry(format!("all {count} ports from {first} to {last} are taken")))
    }
}

/// Somebody else's server may hold a port of the range: binding is the only true test.
fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(ports: RangeInclusive<u16>) -> Addresses {
        let env = EnvName::parse("prod").unwrap();
        Addresses::new(ports, false, (InstallId::from_random([1, 2, 3]), &env))
    }

    #[test]
    fn addresses_go_round_and_come_back_only_when_released() {
        let addresses = addresses(20_000..=20_001);
        let reserve = || addresses.reserve(Way::Bridge, NonZeroU16::new(80)).map(|a| a.to_string());
        assert!(reserve().is_err());
        addresses.set_subnet(Subnet::parse("10.0.0.0/29").unwrap());
        let all: Vec<String> = (0..5).map(|_| reserve().unwrap()).collect();
        assert_eq!(
            all,
            ["10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80", "10.0.0.6:80", "10.0.0.2:80"]
        );
        let full = reserve().unwrap_err();
        assert_eq!(full.message, "all 5 addresses of the network 10.0.0.0/29 are taken");
        addresses.release(Way::Bridge, "10.0.0.5:80".parse().unwrap());
        assert_eq!(reserve().unwrap(), "10.0.0.5:80");
    }

    #[test]
    fn ports_go_round_and_what_does_not_listen_needs_none() {
        let addresses = addresses(20_000..=20_002);
        let reserve = |port| addresses.reserve(Way::Port, NonZeroU16::new(port));
        assert!(reserve(80).is_err());
        addresses.set_node(Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(reserve(0).unwrap().port(), 0);
        let mut all: Vec<u16> = (0..3).map(|_| reserve(80).unwrap().port()).collect();
        let first = all[0];
        assert!(reserve(80).is_err());
        addresses.release(Way::Port, SocketAddr::new([10, 0, 0, 1].into(), first));
        assert_eq!(reserve(80).unwrap().port(), first);
        all.sort_unstable();
        assert_eq!(all, [20_000, 20_001, 20_002]);
    }

    #[test]
    fn subnets_are_read_and_what_is_none_is_not() {
        let shown = |text: &str| Subnet::parse(text).map(|subnet| subnet.to_string());
        assert_eq!(shown("172.18.0.7/16").as_deref(), Some("172.18.0.0/16"));
        for bad in ["172.18.0.0", "172.18.0.0/31", "::/64", "x/16", "10.0.0.0/99"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
