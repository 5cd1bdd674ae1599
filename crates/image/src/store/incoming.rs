//! Content on its way to becoming a blob: hashed while it is written, named when it is whole.

use super::Store;
use crate::disk::sync_dir;
use crate::error::{Context as _, Error};
use crate::hash::Hashing;
use crate::remove::remove_tree;
use kiln_names::Digest;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Large enough that hashing and writing, not calls, take the time.
const BUFFER: usize = 256 << 10;

/// Whether a blob must survive a power cut once it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Durably,
    /// It can be had again, and is checked when it is read.
    AsCache,
}

/// A blob without a name yet. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    path: PathBuf,
    to: Option<BufWriter<Hashing<File>>>,
}

impl Store {
    pub(crate) fn incoming(&self) -> Result<Incoming, Error> {
        let make = |path: &std::path::Path| File::options().write(true).create_new(true).open(path);
        let (path, file) = self.fresh(make)?;
        let to = Some(BufWriter::with_capacity(BUFFER, Hashing::new(file)));
        Ok(Incoming { path, to })
    }

    /// Gives a blob its name; refuses it if that is not `expected`.
    pub(crate) fn accept(
        &self,
        mut incoming: Incoming,
        expected: Option<&Digest>,
        keep: Keep,
    ) -> Result<(Digest, u64), Error> {
        let path = incoming.path.clone();
        let buffer = incoming.to.take().expect("it is taken here alone");
        let hashing = buffer.into_inner().map_err(io::IntoInnerError::into_error);
        let (file, found, bytes) = hashing.on("write", &path)?.finish();
        if let Some(&expected) = expected
            && expected != found
        {
            return Err(Error::Mismatch { expected, found });
        }
        if keep == Keep::Durably {
            file.sync_data().on("sync", &path)?;
        }
        let blob = self.blob_path(&found);
        std::fs::rename(&path, &blob).on("rename to", &blob)?;
        if keep == Keep::Durably {
            sync_dir(blob.parent().expect("blobs are in a directory"))?;
        }
        Ok((found, bytes))
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.as_mut().expect("it is taken only when accepted").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.as_mut().expect("it is taken only when accepted").flush()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "unfinished blob not removed");
        }
    }
}
