//! The content of one file, named by its digest, and how it is sent.

use crate::CliError;
use bytes::Bytes;
use futures_util::stream;
use kiln_client::{Client, ClientError};
use kiln_names::Digest;
use kiln_protocol::Code;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// A file's content.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Blob {
    /// Reads a file once, to hash it.
    pub(crate) fn of_file(path: &Path) -> Result<Self, CliError> {
        let failed = |error: &std::io::Error| CliError::file(path, error);
        let mut file = File::open(path).map_err(|error| failed(&error))?;
        let length = file.metadata().map_err(|error| failed(&error))?.len();
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut chunk = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK).max(512))];
        loop {
            match file.read(&mut chunk).map_err(|error| failed(&error))? {
                0 => break,
                count => {
                    hash.update(&chunk[..count]);
                    size += count as u64;
                }
            }
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        Ok(Self { path: path.to_owned(), digest, size })
    }

    /// Sends it. A file that changed since it was hashed is refused by the server.
    pub(crate) async fn send(&self, client: &Client) -> Result<(), CliError> {
        let file = File::open(&self.path).map_err(|error| CliError::file(&self.path, &error))?;
        let chunks = stream::try_unfold(file, |mut file| async move {
            let mut chunk = vec![0; CHUNK];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            Ok((count > 0).then(|| (Bytes::from(chunk), file)))
        });
        match client.put_blob(&self.digest, self.size, chunks).await {
            Err(ClientError::Problem(problem)) if problem.code == Code::DigestMismatch => {
                Err(self.changed())
            }
            Err(ClientError::Upload(_)) => Err(self.changed()),
            answer => Ok(answer?),
        }
    }

    fn changed(&self) -> CliError {
        let message = format!("{} changed while it was sent", self.path.display());
        CliError::invalid(message).hint("try again.")
    }
}

/// What the server lacks, if that is what it says.
pub(crate) fn missing(error: &ClientError) -> Option<&[Digest]> {
    match error {
        ClientError::Problem(problem) if problem.code == Code::ContextMissing => {
            Some(&problem.missing)
        }
        _ => None,
    }
}
