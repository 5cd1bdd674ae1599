//! Ports that stay one's own while nobody listens on them.

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the kernel hands to whoever connects: a restart finds its port again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many were asked for in this process.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// Two free addresses. Everybody who asks begins to look at another place, in other processes too, so
/// that tests side by side do not meet.
pub(crate) fn free() -> Result<[SocketAddr; 2]> {
    let count = u32::from(PORTS.end - PORTS.start);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    let first = std::process::id().wrapping_mul(8).wrapping_add(asked * 1_999) % count;
    let mut free = (0..count)
        .filter_map(|n| u16::try_from((first + n) % count).ok())
        .map(|n| SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + n)))
        .filter(|address| TcpListener::bind(address).is_ok());
    let mut next = || free.next().context("no port is free");
    Ok([next()?, next()?])
}
