//! Ports that stay one's own while nobody listens on them.

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below those that the kernel hands to whoever connects: a restart finds its port again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Two free addresses. Each process begins to look at another place, so that tests side by side do
/// not meet.
pub(crate) fn free() -> Result<[SocketAddr; 2]> {
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(8) % count;
    let mut free = (0..count)
        .filter_map(|n| u16::try_from((first + n) % count).ok())
        .map(|n| SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + n)))
        .filter(|address| TcpListener::bind(address).is_ok());
    let mut next = || free.next().context("no port is free");
    Ok([next()?, next()?])
}
