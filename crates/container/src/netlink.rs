//! The few requests to the kernel's network configuration that Kiln makes, one blocking socket.
//!
//! Typed messages over a plain socket: six calls of `ip` would take longer than everything else an
//! instance needs to start, and an asynchronous client would bring threads into the shim.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// A connection to the network namespace that its maker was in.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// An IPv4 network in use: an address's or a route's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    /// The index of the link that it is used on.
    pub(crate) link: Option<u32>,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The index of the link of this name.
    pub(crate) fn index(&mut self, name: &str) -> io::Result<Option<u32>> {
        let links = self.links()?;
        Ok(links.into_iter().find(|(_, found)| found == name).map(|(index, _)| index))
    }

    /// Every link: index and name.
    pub(crate) fn links(&mut self) -> io::Result<Vec<(u32, String)>> {
        let answers = self.dump(Message::GetLink(LinkMessage::default()))?;
        Ok(answers.into_iter().filter_map(link_name).collect())
    }

    /// Every IPv4 network that an address or a route of this namespace is about, default routes
    /// aside.
    pub(crate) fn networks(&mut self) -> io::Result<Vec<Used>> {
        let mut address = AddressMessage::default();
        address.header.family = AddressFamily::Inet;
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        let addresses = self.dump(Message::GetAddress(address))?;
        let routes = self.dump(Message::GetRoute(route))?;
        Ok(addresses.into_iter().chain(routes).filter_map(network_of).collect())
    }

    /// Makes a pair of links: `host` here, up and part of the bridge, and `peer` in the namespace,
    /// ready for `address`.
    pub(crate) fn add_veth(
        &mut self,
        host: &str,
        bridge: u32,
        (peer, address): (&str, Ipv4Addr),
        namespace: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut far = LinkMessage::default();
        far.attributes = vec![
            LinkAttribute::IfName(peer.to_owned()),
            LinkAttribute::Address(hardware(address)),
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
        ];
        let mut near = up(LinkMessage::default());
        near.attributes = vec![
            LinkAttribute::IfName(host.to_owned()),
            LinkAttribute::Controller(bridge),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
            ]),
        ];
        self.request(Message::NewLink(near), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Keeps a link of a bridge from its other links that are kept apart.
    pub(crate) fn keep_apart(&mut self, index: u32) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        let port = InfoPortData::BridgePort(vec![InfoBridgePort::Isolated(true)]);
        link.attributes = vec![LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(port),
        ])];
        self.request(Message::NewLink(link), 0)
    }

    /// Makes a bridge, up, ready for `address`.
    pub(crate) fn add_bridge(&mut self, name: &str, address: Ipv4Addr) -> io::Result<()> {
        let mut link = up(LinkMessage::default());
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(hardware(address)),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.request(Message::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
    }

    pub(crate) fn set_up(&mut self, index: u32) -> io::Result<()> {
        let mut link = up(LinkMessage::default());
        link.header.index = index;
        self.request(Message::SetLink(link), 0)
    }

    pub(crate) fn delete_link(&mut self, index: u32) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        self.request(Message::DelLink(link), 0)
    }

    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = prefix;
        message.header.index = index;
        let ip = IpAddr::V4(address);
        message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
        self.request(Message::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    pub(crate) fn add_default_route(&mut self, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        self.request(Message::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Sends a request and waits for its acknowledgement.
    fn request(&mut self, message: Message, flags: u16) -> io::Result<()> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        let (datagram, _) = self.socket.recv_from_full()?;
        match decode(&datagram)?.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
            _ => Ok(()),
        }
    }

    /// Asks for all there is of a kind.
    fn dump(&mut self, message: Message) -> io::Result<Vec<Message>> {
        self.send(message, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut found = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let answer = decode(rest)?;
                let length = (answer.header.length as usize).next_multiple_of(4);
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    _ => {}
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }

    fn send(&mut self, message: Message, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        self.socket.send(&buffer, 0).map(drop)
    }
}

fn decode(datagram: &[u8]) -> io::Result<NetlinkMessage<Message>> {
    NetlinkMessage::deserialize(datagram)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The hardware address that goes with an address, locally administered. What neighbours remember of
/// an address stays true when another instance gets it, and a bridge does not take on another one
/// with every link that comes and goes: both would be unreachable until the kernel asks again, for
/// up to 40 seconds.
fn hardware(address: Ipv4Addr) -> Vec<u8> {
    [&[0x02, 0x6b], &address.octets()[..]].concat()
}

fn up(mut link: LinkMessage) -> LinkMessage {
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

fn link_name(message: Message) -> Option<(u32, String)> {
    let Message::NewLink(link) = message else { return None };
    let name = link.attributes.into_iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    });
    Some((link.header.index, name?))
}

fn network_of(message: Message) -> Option<Used> {
    match message {
        Message::NewAddress(message) => {
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(IpAddr::V4(ip)) => Some(*ip),
                _ => None,
            })?;
            let (prefix, link) = (message.header.prefix_len, Some(message.header.index));
            Some(Used { address, prefix, link })
        }
        Message::NewRoute(message) => {
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(*ip),
                _ => None,
            })?;
            let link = message.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            });
            Some(Used { address, prefix: message.header.destination_prefix_length, link })
        }
        _ => None,
    }
}
