//! One connection to an instance.

use crate::body::RequestBody;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take to be made. Instances are on this machine or next to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest head of an answer, and the most that is read ahead of a slow client.
const BUFFER_BYTES: usize = 64 * 1024;

type Wire = Connection<TokioIo<TcpStream>, RequestBody>;

/// An open connection, with nobody else on it.
#[derive(Debug)]
pub(crate) struct Link {
    sender: SendRequest<RequestBody>,
    /// The connection itself while it is driven here; none once it is closed or has its own task.
    wire: Option<Box<Wire>>,
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: hyper::Error,
    /// The request itself, if no byte of it was sent.
    pub(crate) unsent: Option<Request<RequestBody>>,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// As connecting does; timed out after [`CONNECT_TIMEOUT`].
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let stream = connecting.await.map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let (sender, wire) =
            builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, wire: Some(Box::new(wire)) })
    }

    /// Gives the connection a task of its own, which also carries it through an upgrade.
    pub(crate) fn detach(mut self) -> Self {
        if let Some(wire) = self.wire.take() {
            tokio::spawn(wire.with_upgrades());
        }
        self
    }

    /// Whether it is driven elsewhere, or closed.
    pub(crate) fn is_detached(&self) -> bool {
        self.wire.is_none()
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection.
    pub(crate) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Self), Unanswered> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let answered = poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(cx)
        });
        match answered.await {
            Ok(response) => Ok((response, self)),
            Err(mut failed) => {
                let unsent = failed.take_message();
                Err(Unanswered { error: failed.into_error(), unsent })
            }
        }
    }

    /// Moves bytes in both directions, as far as they go.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire
            && let Poll::Ready(closed) = Pin::new(wire).poll(cx)
        {
            // How it closed reaches whoever waits for an answer or a body.
            drop(closed);
            self.wire = None;
        }
    }

    /// Whether another request can be sent: open still, and done with the last one.
    pub(crate) fn is_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.wire.is_some() && self.sender.is_ready()
    }
}
