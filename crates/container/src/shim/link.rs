//! The shim's own network namespace, which the container is born into.
//!
//! Nothing pins it: it lives as long as the shim and the container do.

use crate::netlink::Netlink;
use crate::network::{Attachment, link_name};
use crate::spec::{InstanceSpec, NetworkMode};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// The link's name as the container sees it.
const INSIDE: &str = "eth0";
/// Lets users other than root listen below 1024 in a namespace where that disturbs nobody.
const PORT_START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// The host's end of an instance's link.
pub(super) struct Link {
    host: Netlink,
    name: String,
}

/// Moves the process into the network that the spec asks for.
pub(super) fn join(spec: &InstanceSpec) -> io::Result<Option<Link>> {
    match &spec.network {
        NetworkMode::Host => Ok(None),
        NetworkMode::Loopback => {
            own_namespace()?;
            Ok(None)
        }
        NetworkMode::Isolated(attachment) => attach(spec, attachment).map(Some),
    }
}

/// Both sockets stay with the namespace they were opened in: `host` outside, `inside` inside.
fn attach(spec: &InstanceSpec, to: &Attachment) -> io::Result<Link> {
    let mut host = Netlink::open()?;
    let bridge = rustix::net::netdevice::name_to_index(any_socket()?, &to.bridge)
        .map_err(|_| io::Error::other(format!("bridge {} does not exist", to.bridge)))?;
    let mut inside = own_namespace()?;
    let namespace = File::open("/proc/self/ns/net")?;
    let name = link_name(spec.install, spec.instance);
    host.add_veth(&name, bridge, (INSIDE, to.address), namespace.as_fd())?;
    if to.apart {
        let index = host.index(&name)?.ok_or(io::ErrorKind::NotFound)?;
        host.keep_apart(index)?;
    }
    let index = rustix::net::netdevice::name_to_index(any_socket()?, INSIDE)?;
    inside.add_address(index, to.address, to.prefix)?;
    inside.set_up(index)?;
    inside.add_default_route(to.gateway)?;
    Ok(Link { host, name })
}

/// A new namespace with its loopback up.
fn own_namespace() -> io::Result<Netlink> {
    const LOOPBACK: u32 = 1;
    unshare(CloneFlags::CLONE_NEWNET)?;
    std::fs::write(PORT_START, "0")?;
    let mut inside = Netlink::open()?;
    inside.set_up(LOOPBACK)?;
    Ok(inside)
}

/// Names of links are looked up through any socket of the namespace.
fn any_socket() -> io::Result<std::os::fd::OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}

impl Link {
    /// Removes both ends. The kernel would, some time after the last process; but until then it
    /// answers for an address that may have been given to another instance.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        match self.host.index(&self.name)? {
            Some(index) => self.host.delete_link(index),
            None => Ok(()),
        }
    }
}
