//! Requests over a connection that has a task of its own.

use super::failure::{Sent, Unanswered};
use super::link::connect;
use crate::body::RequestBody;
use crate::instance::Lease;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The largest head of an answer, and the most that is read ahead of a slow client.
const BUFFER_BYTES: usize = 64 * 1024;

/// The body of an answer over such a connection. Holds the request's count as in flight.
#[derive(Debug)]
pub(crate) struct Detached {
    incoming: Incoming,
    lease: Lease,
}

/// A connection for one request, which may stream its body and go on after an upgrade.
#[derive(Debug)]
pub(crate) struct Alone(SendRequest<RequestBody>);

impl Alone {
    /// Opens a connection and gives it a task.
    ///
    /// # Errors
    /// As connecting does; timed out after a second.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let stream = TokioIo::new(connect(address).await?);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Self(sender))
    }

    /// Sends a request and waits for the head of its answer. With the failure comes the request
    /// itself, if no byte of it was sent.
    pub(crate) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, (Unanswered, Option<Request<RequestBody>>)> {
        self.0.try_send_request(request).await.map_err(|mut failed| {
            let back = failed.take_message();
            let sent = if back.is_some() { Sent::Nothing } else { Sent::Something };
            (Unanswered::new(sent, failed.into_error()), back)
        })
    }
}

impl Detached {
    /// The body `incoming` of the answer to the request that `lease` counts.
    pub(crate) fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease }
    }
}

impl Body for Detached {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                self.lease.figures.broken();
                io::Error::other(error)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
