//! An archive of images as it is sent: a file, standard input, or the directory of an OCI layout.

mod layout;

use crate::CliError;
use crate::progress::Progress;
use crate::words::size;
use bytes::Bytes;
use futures_util::stream;
use kiln_client::Client;
use kiln_names::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// An archive that was read once, to name it.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    source: Source,
    digest: Digest,
    size: u64,
}

/// What can be read from its beginning twice.
#[derive(Debug)]
enum Source {
    File(File),
    Layout(Vec<layout::Piece>),
}

impl Archive {
    /// Reads what is at `path` and names it.
    pub(crate) fn open(path: &Path, progress: &mut Progress) -> Result<Self, CliError> {
        let failed = |error: &io::Error| CliError::file(path, error);
        let source = if path.as_os_str() == "-" {
            Source::File(spool().map_err(|error| failed(&error))?)
        } else if path.is_dir() {
            Source::Layout(layout::pieces(path)?)
        } else {
            Source::File(File::open(path).map_err(|error| failed(&error))?)
        };
        let (mut hash, mut read) = (Sha256::new(), 0);
        let mut reader = source.reader().map_err(|error| failed(&error))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk).map_err(|error| failed(&error))? {
                0 => break,
                count => {
                    hash.update(&chunk[..count]);
                    read += count as u64;
                    progress.passing("read the archive", &size(read));
                }
            }
        }
        drop(reader);
        let digest = Digest::from_bytes(hash.finalize().into());
        Ok(Self { path: path.to_owned(), source, digest, size: read })
    }

    /// Its name.
    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Sends it.
    pub(crate) async fn send(&self, client: &Client, progress: Progress) -> Result<(), CliError> {
        let failed = |error: &io::Error| CliError::file(&self.path, error);
        let reader = self.source.reader().map_err(|error| failed(&error))?;
        let total = size(self.size);
        // A stream of a request is asked for its pieces by one task at a time.
        let state = Arc::new(Mutex::new((reader, progress, 0)));
        let chunks = stream::try_unfold(state, move |state| {
            let total = total.clone();
            async move {
                let mut chunk = vec![0; CHUNK];
                let count = {
                    let mut state = state.lock().expect("nobody panics while it is held");
                    let (reader, progress, sent) = &mut *state;
                    let count = reader.read(&mut chunk)?;
                    *sent += count as u64;
                    progress.passing("send the archive", &format!("{} of {total}", size(*sent)));
                    count
                };
                chunk.truncate(count);
                Ok((count > 0).then(|| (Bytes::from(chunk), state)))
            }
        });
        Ok(client.put_blob(&self.digest, self.size, chunks).await?)
    }
}

impl Source {
    /// Reads it from its beginning.
    fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Box::new(file)
            }
            Self::Layout(pieces) => Box::new(layout::Reader::new(pieces.clone())),
        })
    }
}

/// Standard input, kept where it can be read twice.
fn spool() -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    Ok(file)
}
