//! A connection that is never replaced behind anybody's back.

use super::body::Sent;
use super::wire::Wire;
use crate::dawdle::{Dawdled, Pace};
use crate::failure::{Failure, Why, chain};
use crate::{Kind, MAX_WAIT, Target};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// A slow reader's window: the smaller it is, the sooner the sender has to wait for the reader.
const NARROW_BYTES: u32 = 16 << 10;
/// How a slow request's head is sent: in some five pieces.
const SLOW_HEAD: Pace = Pace { bytes: 12, pause: Duration::from_millis(100) };

/// A connection, and how often it was used.
pub(crate) struct Connection {
    pub(super) sender: SendRequest<Sent>,
    pub(super) host: String,
    pub(super) kind: Kind,
    pub(super) used: u64,
    pub(super) dawdled: Dawdled,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target, kind: Kind) -> Result<Self, Failure> {
        let no_connection = |why: &dyn std::fmt::Display| {
            Why::NoConnection.because(format!("connecting to {}: {why}", target.address))
        };
        let connecting = tokio::time::timeout(MAX_WAIT, stream(target, kind));
        let stream = connecting
            .await
            .map_err(|_| no_connection(&"it took too long"))?
            .map_err(|error| no_connection(&error))?;
        let mut builder = Builder::new();
        if kind == Kind::SlowReader {
            builder.max_buf_size(NARROW_BYTES as usize);
        }
        let dawdled = Dawdled::default();
        let pace = (kind == Kind::SlowRequest).then(|| (SLOW_HEAD, dawdled.clone()));
        let (sender, connection) = builder
            .handshake(TokioIo::new(Wire::new(stream, pace)))
            .await
            .map_err(|error| no_connection(&chain(&error)))?;
        // How it ends is told by the request that it was carrying.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender, host: target.host.clone(), kind, used: 0, dawdled })
    }

    /// Who asks on it.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a request can be sent on it, as far as this side knows.
    pub(super) fn usable(&self) -> bool {
        self.sender.is_ready()
    }
}

async fn stream(target: &Target, kind: Kind) -> std::io::Result<TcpStream> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if kind == Kind::SlowReader {
        socket.set_recv_buffer_size(NARROW_BYTES)?;
    }
    let stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.used {
            0 | 1 => f.write_str("first request of its connection"),
            n => write!(f, "request {n} of its connection"),
        }
    }
}
