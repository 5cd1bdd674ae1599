//! Who is asked.

use http::Uri;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address of this machine, and the host and the path that are asked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
}

/// The load stays on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The address is another machine's.
    #[error("{0} is not an address of this machine's loopback interface")]
    Elsewhere(SocketAddr),
    /// The host is no address, and no name below `localhost`.
    #[error("{0:?} is neither a loopback address nor a name that ends in localhost")]
    UnknownHost(String),
    /// The URL is not of the form that is understood.
    #[error("{0:?} is not of the form http://HOST:PORT/PATH")]
    NoUrl(String),
}

impl Target {
    /// A target on the loopback interface; `/` is asked for.
    ///
    /// # Errors
    /// [`Refused`] for any other address.
    pub fn new(address: SocketAddr, host: impl Into<String>) -> Result<Self, Refused> {
        if !address.ip().is_loopback() {
            return Err(Refused::Elsewhere(address));
        }
        Ok(Self { address, host: host.into(), path: "/".to_owned() })
    }

    /// The target of a URL such as `http://hello.prod.localhost:8000/`. Names below `localhost` are
    /// this machine, without a look at what any resolver says.
    ///
    /// # Errors
    /// [`Refused`] when it is not understood, or is not this machine.
    pub fn of_url(url: &str) -> Result<Self, Refused> {
        let no_url = || Refused::NoUrl(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| no_url())?;
        let host = parsed.host().filter(|_| parsed.scheme_str() == Some("http"));
        let host = host.ok_or_else(no_url)?.to_owned();
        let address = SocketAddr::new(loopback(&host)?, parsed.port_u16().unwrap_or(80));
        let mut target = Self::new(address, host)?;
        if let Some(path) = parsed.path_and_query() {
            target.path = path.as_str().to_owned();
        }
        Ok(target)
    }

    /// The same address and path, another host.
    #[must_use]
    pub fn host(&self, host: impl Into<String>) -> Self {
        Self { host: host.into(), ..self.clone() }
    }
}

/// The address that a host of this machine has.
fn loopback(host: &str) -> Result<IpAddr, Refused> {
    if host == "localhost" || host.ends_with(".localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_err(|_| Refused::UnknownHost(host.to_owned()))
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

    #[test]
    fn a_url_names_host_port_and_path_of_this_machine() {
        let target = Target::of_url("http://hello.prod.localhost:8000/a?b").unwrap();
        assert_eq!(target.address, "127.0.0.1:8000".parse().unwrap());
        assert_eq!((target.host.as_str(), target.path.as_str()), ("hello.prod.localhost", "/a?b"));
        assert_eq!(Target::of_url("http://[::1]").unwrap().address, "[::1]:80".parse().unwrap());
        for bad in ["https://localhost/", "http://example.org/", "localhost:80", "http://10.0.0.1/"]
        {
            assert!(Target::of_url(bad).is_err(), "{bad}");
        }
    }
}
