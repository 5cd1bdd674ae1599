//! A request's body: at once, or in pieces with pauses between them.

use crate::dawdle::{Dawdled, Pace, Pause};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The bytes that are still to be sent, and how.
pub(crate) struct Sent {
    rest: Bytes,
    pace: Option<(Pace, Dawdled)>,
    pause: Option<Pause>,
}

impl Sent {
    pub(super) fn at_once(rest: Bytes) -> Self {
        Self { rest, pace: None, pause: None }
    }

    pub(super) fn paced(rest: Bytes, pace: Pace, dawdled: Dawdled) -> Self {
        Self { rest, pace: Some((pace, dawdled)), pause: None }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(Pin::new(pause).poll(cx));
            this.pause = None;
        }
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = this.pace.as_ref().map_or(this.rest.len(), |(pace, _)| pace.bytes);
        let piece = this.rest.split_to(size.min(this.rest.len()));
        if let Some((pace, dawdled)) = this.pace.as_ref().filter(|_| !this.rest.is_empty()) {
            this.pause = Some(Pause::begin(pace.pause, dawdled));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
