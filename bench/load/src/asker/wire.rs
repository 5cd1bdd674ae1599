//! A stream that a slow client writes to in pieces, with pauses between them.

use crate::dawdle::{Dawdled, Pace, Pause};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream; without a pace what is written goes out as it comes.
pub(super) struct Wire {
    stream: TcpStream,
    pace: Option<(Pace, Dawdled)>,
    pause: Option<Pause>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, pace: Option<(Pace, Dawdled)>) -> Self {
        Self { stream, pace, pause: None }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        pace: Pace,
        dawdled: &Dawdled,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
        }
        let piece = &buffer[..buffer.len().min(pace.bytes)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, piece))?;
        if written < buffer.len() {
            self.pause = Some(Pause::begin(pace.pause, dawdled));
        }
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.pace.clone() {
            Some((pace, dawdled)) => this.poll_piece(cx, pace, &dawdled, buffer),
            None => Pin::new(&mut this.stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.pace.is_none() {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        }
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        Pin::new(this).poll_write(cx, first.map_or(&[], |buffer| &**buffer))
    }

    fn is_write_vectored(&self) -> bool {
        self.pace.is_none()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
