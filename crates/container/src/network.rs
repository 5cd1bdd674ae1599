//! The network of one install: a bridge per environment, addresses, and what may pass.
//!
//! ```text
//! pool      10.64.0.0/10          where installs look for room
//! install   one /20 of it         picked once under a lock, then kept by the caller
//! bridge    one /24 of that       number 0 for bakes, the others for environments
//! address   .1 the bridge itself, .2 to .254 instances
//! ```
//!
//! Calls block for some milliseconds: they belong on a blocking thread of the server.

mod names;
mod rules;
mod subnet;

use crate::netlink::Netlink;
use kiln_names::{InstallId, InstanceId};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

pub(crate) use names::{link as link_name, links as link_prefix};
pub use subnet::Subnet;

/// Where installs look for room unless told otherwise. Docker, Kubernetes and home routers keep to
/// other parts of the private ranges.
const POOL: Subnet = Subnet::of(Ipv4Addr::new(10, 64, 0, 0), 10);
const INSTALL_PREFIX: u8 = 20;
const BRIDGE_PREFIX: u8 = 24;
/// Held while networks are picked, so that two installs never pick the same.
const LOCK: &str = "/run/kiln/network.lock";
/// What was picked, one file per install: a network without bridges shows in no route yet.
const PICKED: &str = "/run/kiln/networks";

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Everything in the pool is used by others.
    #[error("no free /{INSTALL_PREFIX} network is left in {pool}; name another with --network")]
    Full {
        /// Where was looked.
        pool: Subnet,
    },
    /// The network that was asked for cannot be divided.
    #[error("network {network} is too small: at least a /{INSTALL_PREFIX} is needed")]
    TooSmall {
        /// What was asked for.
        network: Subnet,
    },
    /// The network that was asked for is somebody else's.
    #[error("network {network} overlaps {taken}, which this machine uses already")]
    Taken {
        /// What was asked for.
        network: Subnet,
        /// What it meets.
        taken: Subnet,
    },
    /// The install has another, which its instances have their addresses from.
    #[error("this install keeps network {kept} as long as it runs, and cannot take {network}")]
    Kept {
        /// What was asked for.
        network: Subnet,
        /// What it has.
        kept: Subnet,
    },
    /// There is no such bridge.
    #[error("bridge {index} does not exist: network {network} has room for {room}")]
    NoSuchBridge {
        /// What was asked for.
        index: u8,
        /// Of which network.
        network: Subnet,
        /// How many bridges that divides into.
        room: u16,
    },
    /// The kernel, nft or the disk refused.
    #[error("the network could not be {doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What was said.
        #[source]
        source: io::Error,
    },
}

/// The network of one install.
#[derive(Debug, Clone)]
pub struct Network {
    install: InstallId,
    subnet: Subnet,
}

/// One bridge of an install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The interface.
    pub name: String,
    /// Its network.
    pub subnet: Subnet,
}

/// Where one instance joins a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The bridge's interface.
    pub bridge: String,
    /// The instance's address.
    pub address: Ipv4Addr,
    /// How many of its bits name the network.
    pub prefix: u8,
    /// The bridge's own address, the way out.
    pub gateway: Ipv4Addr,
    /// Whether it reaches the gateway alone, and none of its neighbours that are kept apart too.
    #[serde(default)]
    pub apart: bool,
}

impl Network {
    /// Readies the install's network: picks or confirms its range, turns forwarding on and puts the
    /// rules in force. Idempotent, and to be called at each start of the server.
    ///
    /// `wanted` is what the person asked for or what an earlier call returned; `None` picks a free
    /// range, which the caller keeps.
    ///
    /// # Errors
    /// [`NetworkError`]; also when `wanted` is not free, since then others would lose packets.
    pub fn ensure(install: InstallId, wanted: Option<Subnet>) -> Result<Self, NetworkError> {
        let subnet = reserve(install, wanted)?;
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(doing("switched on"))?;
        rules::nft(&rules::table(install, subnet)).map_err(doing("guarded"))?;
        rules::accept_before_docker(install).map_err(doing("let through"))?;
        Ok(Self { install, subnet })
    }

    /// Whether [`Network::ensure`] would take this network. Changes nothing.
    ///
    /// # Errors
    /// [`NetworkError`]; [`NetworkError::Kept`] when the install has another one already.
    pub fn check(install: InstallId, wanted: Subnet) -> Result<(), NetworkError> {
        let _locked = lock().map_err(doing("locked"))?;
        let used = used_by_others(install).map_err(doing("read"))?;
        decide(Some(wanted), read_picked(&picked_file(install)), &used, install).map(drop)
    }

    /// How many bridges the install may have besides that for bakes.
    #[must_use]
    pub const fn room(&self) -> u32 {
        names::bridges_in(self.subnet) as u32 - 1
    }

    /// Lets the install's instances reach this port of the machine, and no longer the one before: where
    /// its router takes traffic. May come before [`Network::ensure`]. Idempotent.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn open_door(install: InstallId, port: u16) -> Result<(), NetworkError> {
        rules::nft(&rules::door(install, port)).map_err(doing("opened to the router"))
    }

    /// The range of this install.
    #[must_use]
    pub const fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// The bridge for bakes: [`Network::ensure_bridge`] of number 0.
    pub const BAKE: u8 = 0;

    /// The network of the bridge number `index`, if there may be one.
    #[must_use]
    pub fn bridge_subnet(&self, index: u8) -> Option<Subnet> {
        let subnet = self.subnet.part(BRIDGE_PREFIX, u32::from(index));
        subnet.filter(|_| u16::from(index) < names::bridges_in(self.subnet))
    }

    /// The bridge number `index`, whether it is there or not; `None` beyond the last.
    #[must_use]
    pub fn bridge(&self, index: u8) -> Option<Bridge> {
        let subnet = self.bridge_subnet(index)?;
        Some(Bridge { name: names::bridge(self.install, index), subnet })
    }

    /// The names of the install's bridges that are there.
    #[must_use]
    pub fn bridges_there(&self) -> Vec<String> {
        let prefix = names::bridges(self.install);
        crate::inspect::interface_names().filter(|name| name.starts_with(&prefix)).collect()
    }

    /// Makes the bridge number `index`, up and with its address. Idempotent.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn ensure_bridge(&self, index: u8) -> Result<Bridge, NetworkError> {
        let (network, room) = (self.subnet, names::bridges_in(self.subnet));
        let bridge = self.bridge(index);
        let bridge = bridge.ok_or(NetworkError::NoSuchBridge { index, network, room })?;
        bridge.ensure().map_err(doing("bridged"))?;
        Ok(bridge)
    }

    /// Removes the bridge number `index`. Idempotent.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn remove_bridge(&self, index: u8) -> Result<(), NetworkError> {
        let name = names::bridge(self.install, index);
        delete_links(|found| found == name).map_err(doing("removed"))
    }

    /// Removes everything that any server of this install ever set up. Idempotent.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn remove_all(install: InstallId) -> Result<(), NetworkError> {
        let (bridges, links) = (names::bridges(install), names::links(install));
        delete_links(|name| name.starts_with(&bridges) || name.starts_with(&links))
            .map_err(doing("removed"))?;
        rules::remove(install).map_err(doing("opened"))?;
        match std::fs::remove_file(picked_file(install)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(doing("given back")(error))
            }
            _ => Ok(()),
        }
    }
}

impl Bridge {
    /// The bridge's own address.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.subnet.address(1).expect("a bridge's network has 256 addresses")
    }

    /// Where the instance with host number `host`, 2 to 254, joins; `None` for other numbers.
    #[must_use]
    pub fn attach(&self, host: u8) -> Option<Attachment> {
        let address = self.subnet.address(u32::from(host)).filter(|_| (2..255).contains(&host))?;
        let (bridge, prefix) = (self.name.clone(), self.subnet.prefix());
        Some(Attachment { bridge, address, prefix, gateway: self.gateway(), apart: false })
    }

    fn ensure(&self) -> io::Result<()> {
        let mut netlink = Netlink::open()?;
        already(netlink.add_bridge(&self.name, self.gateway()))?;
        let index = netlink.index(&self.name)?.ok_or(io::ErrorKind::NotFound)?;
        netlink.set_up(index)?;
        already(netlink.add_address(index, self.gateway(), self.subnet.prefix()))
    }
}

/// Finds or confirms a range under the lock, and writes it down for other installs to see.
fn reserve(install: InstallId, wanted: Option<Subnet>) -> Result<Subnet, NetworkError> {
    let _locked = lock().map_err(doing("locked"))?;
    let file = picked_file(install);
    let used = used_by_others(install).map_err(doing("read"))?;
    let subnet = decide(wanted, read_picked(&file), &used, install)?;
    std::fs::write(&file, subnet.to_string()).map_err(doing("reserved"))?;
    Ok(subnet)
}

/// What was picked stays: instances may have their addresses from it.
fn decide(
    wanted: Option<Subnet>,
    kept: Option<Subnet>,
    used: &[Subnet],
    install: InstallId,
) -> Result<Subnet, NetworkError> {
    match (wanted, kept) {
        (Some(network), Some(kept)) if network != kept => {
            confirm(network, &[])?;
            Err(NetworkError::Kept { network, kept })
        }
        (Some(network), _) | (None, Some(network)) => confirm(network, used),
        (None, None) => pick(install, used),
    }
}

fn confirm(network: Subnet, used: &[Subnet]) -> Result<Subnet, NetworkError> {
    if network.prefix() > INSTALL_PREFIX {
        return Err(NetworkError::TooSmall { network });
    }
    match used.iter().find(|used| used.overlaps(&network)) {
        Some(&taken) => Err(NetworkError::Taken { network, taken }),
        None => Ok(network),
    }
}

/// The first free range after a place that depends on the install, so that most never compete.
fn pick(install: InstallId, used: &[Subnet]) -> Result<Subnet, NetworkError> {
    let start = u32::from_str_radix(&install.to_string(), 16).unwrap_or(0);
    let free = POOL.free_part(INSTALL_PREFIX, start, used);
    free.ok_or(NetworkError::Full { pool: POOL })
}

fn lock() -> io::Result<rustix::fd::OwnedFd> {
    std::fs::create_dir_all(PICKED)?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let lock = open(LOCK, flags, Mode::RUSR | Mode::WUSR)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// Every network on this machine but the install's own.
fn used_by_others(install: InstallId) -> io::Result<Vec<Subnet>> {
    let mut netlink = Netlink::open()?;
    let prefix = names::bridges(install);
    let own: Vec<u32> = netlink
        .links()?
        .into_iter()
        .filter_map(|(index, name)| name.starts_with(&prefix).then_some(index))
        .collect();
    let networks = netlink.networks()?.into_iter();
    let others = networks.filter(|it| !it.link.is_some_and(|link| own.contains(&link)));
    let mut used: Vec<Subnet> = others.map(|it| Subnet::of(it.address, it.prefix)).collect();
    let own_file = picked_file(install);
    for entry in std::fs::read_dir(PICKED)? {
        let path = entry?.path();
        used.extend(read_picked(&path).filter(|_| path != own_file));
    }
    Ok(used)
}

fn read_picked(file: &Path) -> Option<Subnet> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn picked_file(install: InstallId) -> std::path::PathBuf {
    Path::new(PICKED).join(install.to_string())
}

/// All rules of an install, as they are written once it runs and its router listens.
pub(crate) fn rules_of(install: InstallId, subnet: Subnet, door: u16) -> String {
    rules::table(install, subnet) + &rules::door(install, door)
}

/// Removes the link of one instance. Idempotent.
pub(crate) fn remove_link(install: InstallId, instance: InstanceId) -> io::Result<()> {
    let ours = link_name(install, instance);
    delete_links(|name| name == ours)
}

fn delete_links(ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    for (index, _) in netlink.links()?.into_iter().filter(|(_, name)| ours(name)) {
        match netlink.delete_link(index) {
            // Its other end went first and took it along.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            other => other?,
        }
    }
    Ok(())
}

fn already(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn doing(doing: &'static str) -> impl Fn(io::Error) -> NetworkError {
    move |source| NetworkError::System { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_was_picked_stays_and_another_is_refused() {
        let net = |text: &str| text.parse::<Subnet>().unwrap();
        let install = InstallId::from_random([0, 0, 1]);
        let decided = |wanted: Option<&str>, kept: Option<&str>, used: &[&str]| {
            let used: Vec<Subnet> = used.iter().map(|text| net(text)).collect();
            let decided = decide(wanted.map(net), kept.map(net), &used, install);
            decided.map(|it| it.to_string()).map_err(|error| error.to_string())
        };
        let (one, other) = ("10.200.0.0/20", "10.201.0.0/16");
        assert_eq!(decided(Some(one), None, &[]).unwrap(), one);
        assert_eq!(decided(None, Some(one), &[]).unwrap(), one);
        assert_eq!(decided(Some(one), Some(one), &[]).unwrap(), one);
        assert!(decided(Some(other), Some(one), &[]).unwrap_err().contains("keeps network"));
        assert!(decided(Some(other), None, &["10.201.3.0/24"]).unwrap_err().contains("overlaps"));
        assert!(decided(Some("10.0.0.0/21"), None, &[]).unwrap_err().contains("too small"));
    }
}
