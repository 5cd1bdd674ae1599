//! The bodies that go to instances and come back to clients.

use crate::upstream::{Detached, Streamed};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bodies up to this size are read before an instance is chosen: then the request can be sent again,
/// and a slow client holds no instance. Larger ones are streamed.
const BUFFERED_BYTES: u64 = 64 * 1024;

/// The body of a request to an instance.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None at all.
    Empty,
    /// Read whole.
    Whole(Bytes),
    /// Passed on as it comes.
    Streamed(Incoming),
}

/// The body of an answer to a client.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Here as a whole, or empty.
    Whole(Bytes),
    /// Passed on from an instance.
    Streamed(Box<Streamed>),
    /// Passed on from an instance over a connection with its own task.
    Detached(Detached),
}

impl RequestBody {
    /// Takes a client's body: waits for the whole of a small one of known size.
    ///
    /// # Errors
    /// The client's, while its body is read.
    pub(crate) async fn receive(incoming: Incoming) -> Result<Self, BodyError> {
        match incoming.size_hint().exact() {
            Some(size) if size <= BUFFERED_BYTES => {
                let limit = usize::try_from(BUFFERED_BYTES).unwrap_or(usize::MAX);
                let whole = Limited::new(incoming, limit).collect().await;
                whole.map(|body| Self::Whole(body.to_bytes())).map_err(BodyError)
            }
            _ => Ok(Self::Streamed(incoming)),
        }
    }

    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self, Self::Streamed(_))
    }
}

impl ResponseBody {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// The client's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the request's body could not be read")]
pub(crate) struct BodyError(#[source] Box<dyn std::error::Error + Send + Sync>);

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

fn once<E>(bytes: &mut Bytes) -> Polled<E> {
    let data = std::mem::take(bytes);
    Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Self::Error> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => once(bytes),
            Self::Streamed(incoming) => Pin::new(incoming).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(incoming) => incoming.size_hint(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Self::Error> {
        match self.get_mut() {
            Self::Whole(bytes) => once(bytes),
            Self::Streamed(streamed) => Pin::new(&mut **streamed).poll_frame(cx),
            Self::Detached(detached) => Pin::new(detached).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => streamed.is_end_stream(),
            Self::Detached(detached) => detached.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) => streamed.size_hint(),
            Self::Detached(detached) => detached.size_hint(),
        }
    }
}
