//! An archive for a reader that waits without blocking: another thread writes it.

use super::Export;
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::io::{self, BufWriter, Write};
use tokio::sync::mpsc;

/// How many pieces wait for a slow reader.
const QUEUE: usize = 4;
/// How large a piece is.
const PIECE: usize = 256 << 10;

impl Export {
    /// The archive, written as fast as it is read. One that breaks off ends with an error, so that it is
    /// not taken for a whole one.
    ///
    /// # Panics
    /// Outside of a runtime of tokio's.
    pub fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::task::spawn_blocking(move || {
            let mut to = BufWriter::with_capacity(PIECE, Sending(sender));
            let written = self.write(&mut to).map_err(io::Error::other);
            if let Err(error) = written.and_then(|()| to.flush()) {
                tracing::warn!(%error, "an image was not exported to its end");
                to.into_parts().0.0.blocking_send(Err(error)).ok();
            }
        });
        stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        })
    }
}

/// Writes into a channel; fails when nobody reads any more.
struct Sending(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
