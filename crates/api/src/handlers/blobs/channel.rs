//! From an asynchronous sender to a blocking reader.

use bytes::{Buf as _, Bytes};
use std::io::{self, Read};
use tokio::sync::mpsc::Receiver;

/// Reads what a channel receives; it ends when the sender is gone.
#[derive(Debug)]
pub(super) struct Receiving {
    from: Receiver<Bytes>,
    piece: Bytes,
}

impl Receiving {
    pub(super) fn new(from: Receiver<Bytes>) -> Self {
        Self { from, piece: Bytes::new() }
    }
}

impl Read for Receiving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_in_their_order_and_to_their_end() {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        for piece in ["he", "", "llo"] {
            sender.try_send(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        drop(sender);
        let mut text = String::new();
        Receiving::new(receiver).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
}
