//! Hashing in passing: what goes through is counted and digested once.

use kiln_names::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};

/// A stream, read or written, that knows the digest and length of what went through it.
#[derive(Debug)]
pub(crate) struct Hashing<S> {
    stream: S,
    hasher: Sha256,
    bytes: u64,
}

impl<S> Hashing<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, hasher: Sha256::new(), bytes: 0 }
    }

    /// The stream, the digest and the number of bytes.
    pub(crate) fn finish(self) -> (S, Digest, u64) {
        (self.stream, Digest::from_bytes(self.hasher.finalize().into()), self.bytes)
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.take_in(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into)?;
        self.take_in(&into[..read]);
        Ok(read)
    }
}
