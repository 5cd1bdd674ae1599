//! The body of an answer while it passes through.

use super::framing::{Framing, Step};
use super::link::{Link, SMALL_BYTES};
use crate::instance::Lease;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// The most that is read at a time, and so ahead of a slow client.
const LARGE_BYTES: usize = 64 * 1024;

/// A body on its way from an instance. Holds the connection, and the request's count as in flight,
/// until it has ended or is dropped; a connection that is done goes back to the instance's pool.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// None once the body has ended.
    link: Option<Link>,
    framing: Framing,
    keeps: bool,
    lease: Option<Lease>,
    /// How much is read next: as much as came, and then more.
    room: usize,
}

impl Streamed {
    /// The body that follows a head over `link`, which `keeps` open after it.
    pub(super) fn new(link: Link, framing: Framing, keeps: bool) -> Box<Self> {
        Box::new(Self { link: Some(link), framing, keeps, lease: None, room: SMALL_BYTES })
    }

    /// Holds the request's count from here on.
    pub(crate) fn hold(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let Some(link) = &mut self.link else { return Poll::Ready(Ok(None)) };
        link.drive_write(cx);
        loop {
            match self.framing.step(link.read()).map_err(io::Error::other)? {
                Step::Data(data) => return Poll::Ready(Ok(Some(data))),
                Step::End => return Poll::Ready(Ok(None)),
                Step::More => {}
            }
            let length = ready!(link.poll_fill(cx, self.room))?;
            if length == 0 && self.framing.ends_with_connection() {
                return Poll::Ready(Ok(None));
            }
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let more = if length >= self.room { self.room * 2 } else { length.next_power_of_two() };
            self.room = more.clamp(SMALL_BYTES, LARGE_BYTES);
        }
    }

    /// Gives back what it held.
    fn end(&mut self) {
        let (link, lease) = (self.link.take(), self.lease.take());
        let free = link.filter(|_| self.keeps).and_then(Link::freed);
        if let (Some(link), Some(lease)) = (free, lease) {
            lease.instance.idle.put(link, Instant::now());
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let polled = ready!(this.poll_data(cx));
        if polled.is_err() {
            this.keeps = false;
            this.lease.iter().for_each(|lease| lease.figures.broken());
        }
        if !matches!(polled, Ok(Some(_))) || this.framing == Framing::Length(0) {
            this.end();
        }
        Poll::Ready(polled.map(|data| data.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.link.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunks(_) | Framing::UntilClose => SizeHint::default(),
        }
    }
}
