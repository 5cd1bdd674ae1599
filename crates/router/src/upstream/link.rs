//! One connection to an instance.

use super::failure::{Sent, Unanswered};
use super::framing::Framing;
use super::head::{self, Head};
use super::streamed::Streamed;
use crate::body::RequestBody;
use crate::headers::Said;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection may take to be made. Instances are on this machine or next to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// What is read by way of the stack, so that an answer takes no more memory than it is long.
pub(super) const SMALL_BYTES: usize = 8 * 1024;

/// An open connection, with nobody else on it.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    /// Read, and not yet taken.
    read: Bytes,
    unwritten: Unwritten,
    /// How far the request on it has come.
    sent: Sent,
    /// Why not all of it could be written.
    broken: Option<io::Error>,
}

/// An answer as far as it has come.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All of it, and the connection, if that can be used again.
    Whole(Bytes, Option<Link>),
    /// Its head.
    Streamed(Box<Streamed>),
}

/// What is still to be written of a request.
#[derive(Debug, Default)]
struct Unwritten {
    head: Vec<u8>,
    head_written: usize,
    body: Bytes,
}

/// Connects.
///
/// # Errors
/// As connecting does; timed out after [`CONNECT_TIMEOUT`].
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = connecting.await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Link {
    /// Opens a connection.
    ///
    /// # Errors
    /// As connecting does; timed out after a second.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = connect(address).await?;
        let unwritten = Unwritten::default();
        Ok(Self { stream, read: Bytes::new(), unwritten, sent: Sent::Nothing, broken: None })
    }

    /// Sends a request, whose body must be at hand, with what the router says, and waits for the head of its answer. The request
    /// is left as it is, unless an answer begins: then its headers are used up.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection.
    pub(crate) async fn send(
        mut self,
        request: &mut Request<RequestBody>,
        said: Option<Said<'_>>,
    ) -> Result<Response<Answer>, Unanswered> {
        self.sent = Sent::Nothing;
        self.unwritten = Unwritten::of(request, said);
        let head = poll_fn(|cx| self.poll_head(cx, request)).await;
        match head {
            Ok(head) => Ok(self.answer(head)),
            Err(error) => Err(Unanswered::new(self.sent, error)),
        }
    }

    /// Whether another request can be sent: nothing has come since the last one, not even the end.
    pub(crate) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_fill(cx, 0).is_pending()
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        request: &mut Request<RequestBody>,
    ) -> Poll<Result<Head, Box<dyn std::error::Error + Send + Sync>>> {
        self.drive_write(cx);
        loop {
            // Also after writing failed: the instance may have answered before it closed.
            if ready!(self.poll_fill(cx, 0))? == 0 {
                let end = io::ErrorKind::UnexpectedEof.into();
                return Poll::Ready(Err(self.broken.take().unwrap_or(end).into()));
            }
            self.sent = Sent::AnswerBegan;
            let method = request.method().clone();
            if let Some(head) = head::read(&mut self.read, &method, request.headers_mut())? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    fn answer(mut self, head: Head) -> Response<Answer> {
        let Head { response, framing, keeps } = head;
        match framing {
            Framing::Length(length) if length <= self.read.len() as u64 => {
                let end = usize::try_from(length).expect("no more than what was read");
                let body = self.read.split_to(end);
                let link = self.freed().filter(|_| keeps);
                response.map(|()| Answer::Whole(body, link))
            }
            _ => response.map(|()| Answer::Streamed(Streamed::new(self, framing, keeps))),
        }
    }

    /// Itself after an answer, ready for another request, if both sides said all and no more.
    pub(super) fn freed(self) -> Option<Self> {
        let is_clean = self.unwritten.is_empty() && self.read.is_empty() && self.broken.is_none();
        // An empty rest of what was read would keep all of it in memory.
        is_clean.then_some(Self { read: Bytes::new(), unwritten: Unwritten::default(), ..self })
    }

    /// What was read, for a body to take from.
    pub(super) fn read(&mut self) -> &mut Bytes {
        &mut self.read
    }

    /// Writes as much as can be. A failure is kept: reading will end, and then it is the reason.
    pub(super) fn drive_write(&mut self, cx: &mut Context<'_>) {
        while !self.unwritten.is_empty() {
            match self.unwritten.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(())) => self.sent = Sent::Something,
                Poll::Ready(Err(error)) => {
                    self.broken = Some(error);
                    self.unwritten = Unwritten::default();
                }
                Poll::Pending => return,
            }
        }
    }

    /// Reads more, up to `room` bytes or some [`SMALL_BYTES`]; 0 is the end of the connection.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        if room > SMALL_BYTES {
            let mut large = BytesMut::with_capacity(room);
            ready!(pin!(self.stream.read_buf(&mut large)).poll(cx))?;
            return Poll::Ready(Ok(self.filled(large.freeze())));
        }
        let mut small = [const { MaybeUninit::uninit() }; SMALL_BYTES];
        let mut small = ReadBuf::uninit(&mut small);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut small))?;
        Poll::Ready(Ok(self.filled(Bytes::copy_from_slice(small.filled()))))
    }

    fn filled(&mut self, more: Bytes) -> usize {
        let length = more.len();
        self.read =
            if self.read.is_empty() { more } else { [&self.read[..], &more].concat().into() };
        length
    }
}

impl Unwritten {
    fn of(request: &Request<RequestBody>, said: Option<Said<'_>>) -> Self {
        let body = match request.body() {
            RequestBody::Whole(bytes) => bytes.clone(),
            RequestBody::Empty | RequestBody::Streamed(_) => Bytes::new(),
        };
        Self { head: head::write(request, said), head_written: 0, body }
    }

    fn is_empty(&self) -> bool {
        self.head_written == self.head.len() && self.body.is_empty()
    }

    /// Writes some of it.
    fn poll_write(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (stream, head) = (Pin::new(stream), &self.head[self.head_written..]);
        let written = if self.body.is_empty() {
            ready!(stream.poll_write(cx, head))?
        } else {
            let both = [IoSlice::new(head), IoSlice::new(&self.body)];
            ready!(stream.poll_write_vectored(cx, &both))?
        };
        let of_head = written.min(head.len());
        self.head_written += of_head;
        bytes::Buf::advance(&mut self.body, written - of_head);
        Poll::Ready(if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) })
    }
}
