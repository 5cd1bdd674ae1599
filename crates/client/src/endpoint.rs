//! Where a Kiln is reached.

use crate::ClientError;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use tokio::net::{TcpStream, UnixStream};

/// The name of the socket within the data directory.
const SOCKET: &str = "kiln.sock";

/// The longest path that the kernel takes for a socket, with its final zero. (unix(7))
const MAX_SOCKET_PATH: usize = 107;

/// Where a Kiln is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Its socket.
    Unix(PathBuf),
    /// `host:port`, and the path that stands before every path of the API.
    Tcp {
        /// `host:port`.
        authority: String,
        /// Empty, or `/` and segments without a slash at the end.
        prefix: String,
    },
}

impl Endpoint {
    /// The Kiln of a data directory.
    #[must_use]
    pub fn in_data(data: &Path) -> Self {
        Self::Unix(data.join(SOCKET))
    }

    /// Reads `http://host[:port][/prefix]`.
    ///
    /// # Errors
    /// [`ClientError::Url`] for another scheme or form.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let invalid = |why| ClientError::Url { url: url.to_owned(), why };
        if url.starts_with("https://") {
            return Err(invalid(
                "https is not spoken yet; use http on a trusted network or a tunnel",
            ));
        }
        let rest = url.strip_prefix("http://").ok_or_else(|| invalid("it begins with http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let parsed: http::uri::Authority =
            host.parse().map_err(|_| invalid("its host is wrong"))?;
        if parsed.host().is_empty() || host.contains('@') || path.contains(['?', '#']) {
            return Err(invalid("it has a host, a port and perhaps a path, nothing else"));
        }
        let authority = match parsed.port_u16() {
            Some(_) => host.to_owned(),
            None => format!("{host}:80"),
        };
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self::Tcp { authority, prefix })
    }

    /// What stands before every path of the API.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Unix(_) => "",
            Self::Tcp { prefix, .. } => prefix,
        }
    }

    /// What goes into the `Host` header.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "kiln",
            Self::Tcp { authority, .. } => authority,
        }
    }

    pub(crate) async fn connect(&self) -> std::io::Result<Stream> {
        match self {
            Self::Unix(path) => connect_unix(path).await.map(Stream::Unix),
            Self::Tcp { authority, .. } => {
                let stream = TcpStream::connect(authority).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// A path too long for the kernel is reached by way of its open directory.
async fn connect_unix(path: &Path) -> std::io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path).await;
    };
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return UnixStream::connect(path).await;
    }
    let directory = std::fs::File::open(directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    UnixStream::connect(short).await
}

/// A connected byte stream of either kind.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp { authority, prefix } => write!(f, "http://{authority}{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_a_port_and_perhaps_a_prefix() {
        let check = |url: &str, expected: &str| {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), expected);
        };
        check("http://127.0.0.1:7400", "http://127.0.0.1:7400");
        check("http://kiln.example/", "http://kiln.example:80");
        check("http://[::1]:7400/kiln/", "http://[::1]:7400/kiln");
    }

    #[test]
    fn other_schemes_and_stray_parts_are_refused() {
        for bad in
            ["", "127.0.0.1:7400", "https://a", "http://", "http://u@a", "http://a/?b", "ftp://a"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
