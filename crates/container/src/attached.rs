//! An instance whose output comes back to whoever started it, piece by piece, until it has ended.
//!
//! Its spec says so: [`crate::Output::Caller`]. When nobody listens any more, everything is killed.

use crate::launch::{Instance, LaunchError, Shim, spawn};
use crate::record::ExitRecord;
use kiln_names::SecretValue;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// The longest piece of output that a shim passes on: what a pipe holds.
const PIECE_BYTES: usize = 64 << 10;

/// Which of its two streams a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A started instance, and the near end of what it writes.
///
/// # Cancellation
/// Dropping it ends the instance: see [`crate::Output::Caller`].
#[derive(Debug)]
pub struct Attached {
    shim: Shim,
    dir: PathBuf,
}

/// Starts the instance whose spec is in `dir`, as [`crate::launch_with`] does, and returns once its
/// command runs.
///
/// # Errors
/// [`LaunchError`].
pub async fn attach(
    exe: &Path,
    dir: &Path,
    secrets: &[SecretValue],
) -> Result<Attached, LaunchError> {
    Ok(Attached { shim: spawn(exe, dir, secrets).await?, dir: dir.to_owned() })
}

impl Attached {
    /// The instance.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        &self.shim.instance
    }

    /// Waits for the next piece of output and puts it into `bytes`; `None` once there is no more.
    ///
    /// # Cancellation
    /// What was read of a piece is lost when the future is dropped, and with it all that follows.
    ///
    /// # Errors
    /// When the shim broke off in the middle of one.
    pub async fn next(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Stream>> {
        let mut header = [0; Stream::HEADER];
        match self.shim.out.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        let (stream, length) = Stream::of_header(header)?;
        bytes.resize(length, 0);
        self.shim.out.read_exact(bytes).await?;
        Ok(Some(stream))
    }

    /// Waits for the end, and says how it was.
    ///
    /// # Errors
    /// When its shim was lost.
    pub async fn finish(mut self) -> io::Result<ExitRecord> {
        self.shim.child.wait().await?;
        let record = ExitRecord::read(&self.dir)?;
        record.ok_or_else(|| io::Error::other("its shim left no record"))
    }
}

impl Stream {
    /// Both, by [`Stream::index`].
    pub(crate) const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];
    /// How many bytes stand before each piece of output: the stream, and a length of 32 bits with
    /// the highest byte first.
    pub(crate) const HEADER: usize = 5;

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
        }
    }

    /// What stands before a piece of output of this length.
    pub(crate) fn header(self, length: usize) -> [u8; Self::HEADER] {
        let length = u32::try_from(length).expect("pieces are as long as a pipe at most");
        let [a, b, c, d] = length.to_be_bytes();
        [u8::from(self == Self::Stderr), a, b, c, d]
    }

    fn of_header([stream, length @ ..]: [u8; Self::HEADER]) -> io::Result<(Self, usize)> {
        let stream = Self::ALL.get(usize::from(stream)).copied();
        let length = u32::from_be_bytes(length) as usize;
        let fits = stream.filter(|_| length <= PIECE_BYTES);
        let stream = fits.ok_or_else(|| io::Error::other("a shim spoke out of turn"))?;
        Ok((stream, length))
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_what_it_says() {
        for (stream, length) in [(Stream::Stdout, 0), (Stream::Stderr, 65_536)] {
            assert_eq!(Stream::of_header(stream.header(length)).unwrap(), (stream, length));
        }
        assert!(Stream::of_header([2, 0, 0, 0, 0]).is_err());
        assert!(Stream::of_header(Stream::Stdout.header(PIECE_BYTES + 1)).is_err());
    }
}
