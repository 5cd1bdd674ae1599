//! Who is asked.

use std::net::SocketAddr;

/// An address of this machine, and the host that is asked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
}

/// The load stays on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an address of this machine's loopback interface")]
pub struct Refused(pub SocketAddr);

impl Target {
    /// A target on the loopback interface.
    ///
    /// # Errors
    /// [`Refused`] for any other address.
    pub fn new(address: SocketAddr, host: impl Into<String>) -> Result<Self, Refused> {
        if !address.ip().is_loopback() {
            return Err(Refused(address));
        }
        Ok(Self { address, host: host.into() })
    }

    /// The same address, another host.
    #[must_use]
    pub fn host(&self, host: impl Into<String>) -> Self {
        Self { address: self.address, host: host.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_stays_on_this_machine() {
        for good in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80"] {
            assert!(Target::new(good.parse().unwrap(), "h").is_ok(), "{good}");
        }
        for bad in ["10.0.0.1:80", "0.0.0.0:80", "192.0.2.1:80"] {
            assert!(Target::new(bad.parse().unwrap(), "h").is_err(), "{bad}");
        }
    }
}
