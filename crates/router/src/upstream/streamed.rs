//! The body of an answer while it passes through.

use super::link::Link;
use crate::instance::Lease;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A body on its way from an instance. Holds the connection, and the request's count as in flight,
/// until it has ended or is dropped; a connection that is done goes back to the instance's pool.
#[derive(Debug)]
pub(crate) struct Streamed {
    incoming: Incoming,
    link: Option<Link>,
    lease: Option<Lease>,
    ended: bool,
}

impl Streamed {
    /// The body `incoming` of an answer that came over `link`.
    pub(crate) fn new(incoming: Incoming, link: Link, lease: Option<Lease>) -> Self {
        Self { incoming, link: Some(link), lease, ended: false }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(link) = &mut self.link {
            link.drive(cx);
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = this.poll_incoming(cx);
        match (&polled, &this.lease) {
            (Poll::Ready(None), _) => this.ended = true,
            (Poll::Ready(Some(Err(_))), Some(lease)) => lease.figures.broken(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if self.is_end_stream()
            && let (Some(link), Some(lease)) = (self.link.take(), &self.lease)
        {
            lease.instance.idle.put(link, Instant::now());
        }
    }
}
