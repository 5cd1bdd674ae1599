//! IPv4 networks: which, how they are divided, and a free one.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network, `10.64.0.0/20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

impl Subnet {
    /// The network of this prefix length that holds `address`.
    ///
    /// # Panics
    /// For a prefix above 32, which is a mistake in the program.
    #[must_use]
    pub const fn of(address: Ipv4Addr, prefix: u8) -> Self {
        assert!(prefix <= 32, "an IPv4 prefix has at most 32 bits");
        Self { base: address.to_bits() & mask(prefix), prefix }
    }

    /// How many bits name the network.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address at `host` within the network, if there is one.
    #[must_use]
    pub fn address(&self, host: u32) -> Option<Ipv4Addr> {
        (host & mask(self.prefix) == 0).then(|| Ipv4Addr::from_bits(self.base | host))
    }

    /// The network number `index` of a longer prefix within this one, if there is one.
    #[must_use]
    pub fn part(&self, prefix: u8, index: u32) -> Option<Self> {
        let parts = 1_u64 << prefix.checked_sub(self.prefix)?;
        let offset = u64::from(index) << (32 - u32::from(prefix));
        (prefix <= 32 && u64::from(index) < parts)
            .then(|| Self { base: self.base + u32::try_from(offset).unwrap_or(0), prefix })
    }

    /// Whether any address is in both.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        let shorter = if self.prefix < other.prefix { self.prefix } else { other.prefix };
        (self.base ^ other.base) & mask(shorter) == 0
    }

    /// The first part of this network, of length `prefix`, that overlaps none of `used`, looked for
    /// from part `start` on and around.
    pub(super) fn free_part(&self, prefix: u8, start: u32, used: &[Self]) -> Option<Self> {
        let parts = 1_u32.checked_shl(u32::from(prefix.checked_sub(self.prefix)?))?;
        let candidates = (0..parts).map(|step| start.wrapping_add(step) % parts);
        candidates
            .filter_map(|index| self.part(prefix, index))
            .find(|candidate| !used.iter().any(|used| used.overlaps(candidate)))
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self::of(address.parse().ok()?, prefix))
        };
        read().ok_or_else(|| format!("{text:?} is not an IPv4 network such as 10.64.0.0/20"))
    }
}

impl Serialize for Subnet {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn networks_read_back_what_they_show() {
        assert_eq!(net("10.64.17.9/20").to_string(), "10.64.16.0/20");
        assert_eq!(net("0.0.0.0/0").to_string(), "0.0.0.0/0");
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_divides_into_parts_and_addresses() {
        let network = net("10.64.16.0/20");
        assert_eq!(network.part(24, 15), Some(net("10.64.31.0/24")));
        assert_eq!(network.part(24, 16), None);
        assert_eq!(network.part(16, 0), None);
        assert_eq!(net("10.64.31.0/24").address(255), Some(Ipv4Addr::new(10, 64, 31, 255)));
        assert_eq!(net("10.64.31.0/24").address(256), None);
    }

    #[test]
    fn a_free_part_meets_nothing_that_is_used() {
        let pool = net("10.64.0.0/18");
        let free = |start, used: &[&str]| {
            let used: Vec<Subnet> = used.iter().map(|text| net(text)).collect();
            pool.free_part(20, start, &used).map(|part| part.to_string())
        };
        assert_eq!(free(0, &[]).as_deref(), Some("10.64.0.0/20"));
        assert_eq!(free(2, &["10.64.33.7/32"]).as_deref(), Some("10.64.48.0/20"));
        assert_eq!(free(7, &["10.64.48.0/21"]).as_deref(), Some("10.64.0.0/20"));
        assert_eq!(free(0, &["10.0.0.0/8"]), None);
    }
}
