//! Plain content by its digest: the documents of images, and the files of bake contexts.

use super::Store;
use super::incoming::{Incoming, Keep};
use crate::error::{Context as _, Error};
use crate::hash::Hashing;
use crate::remove::remove_tree;
use kiln_names::Digest;
use std::fs::File;
use std::io::{self, Read, Write as _};

/// No manifest or configuration is larger: 200 layers and long labels take a tenth of it.
pub(crate) const DOCUMENT_LIMIT: u64 = 4 << 20;

impl Store {
    /// Whether a blob of that digest is there.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Stores what `from` gives, if it has that digest, and says how many bytes it was. It survives a
    /// power cut when this returns.
    ///
    /// # Assumptions
    /// The caller limits the length of what strangers send.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for other content, which is not kept; [`Error::Io`].
    pub fn put_blob(&self, digest: &Digest, from: impl Read) -> Result<u64, Error> {
        self.receive(digest, from, Keep::Durably)
    }

    /// As [`Store::put_blob`] for content that can be sent again, such as the files of a bake: many
    /// times faster, and a power cut may lose it. Reading it checks it.
    ///
    /// # Errors
    /// As [`Store::put_blob`].
    pub fn cache_blob(&self, digest: &Digest, from: impl Read) -> Result<u64, Error> {
        self.receive(digest, from, Keep::AsCache)
    }

    /// Opens a blob. Its content is not checked here.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        self.open_content("blob", digest)
    }

    /// Copies a blob to where it is used. A damaged one is removed, so that it can be sent again.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Mismatch`] for a damaged one, of which a part may have been
    /// copied; [`Error::Io`].
    pub fn copy_blob(&self, digest: &Digest, mut to: impl io::Write) -> Result<(), Error> {
        let mut from = Hashing::new(self.open_blob(digest)?);
        io::copy(&mut from, &mut to).on("copy", &self.blob_path(digest))?;
        match from.finish().1 {
            found if found == *digest => Ok(()),
            found => {
                self.remove_blob(digest)?;
                Err(Error::Mismatch { expected: *digest, found })
            }
        }
    }

    /// Forgets a blob, as one that turned out damaged; says nothing if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_blob(&self, digest: &Digest) -> Result<(), Error> {
        remove_tree(&self.blob_path(digest))
    }

    pub(crate) fn open_content(&self, what: &'static str, digest: &Digest) -> Result<File, Error> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::Missing { what, digest: *digest })
            }
            other => other.on("open", &path),
        }
    }

    /// A whole small blob, checked.
    pub(crate) fn document(&self, what: &'static str, digest: &Digest) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let size = self.blob_size(what, digest)?;
        if size > DOCUMENT_LIMIT {
            return Err(Error::TooLarge { what, size, limit: DOCUMENT_LIMIT });
        }
        let file = self.open_content(what, digest)?;
        file.take(DOCUMENT_LIMIT).read_to_end(&mut content).on("read", &self.blob_path(digest))?;
        match Digest::of(&content) {
            found if found == *digest => Ok(content),
            found => Err(Error::Mismatch { expected: *digest, found }),
        }
    }

    /// Stores a small blob and names it; refuses what could not be read again.
    pub(crate) fn put_document(&self, what: &'static str, content: &[u8]) -> Result<Digest, Error> {
        let (size, limit) = (content.len() as u64, DOCUMENT_LIMIT);
        if size > limit {
            return Err(Error::TooLarge { what, size, limit });
        }
        let mut incoming = self.incoming()?;
        incoming.write_all(content).on("write", self.root())?;
        Ok(self.accept(incoming, None, Keep::Durably)?.0)
    }

    pub(crate) fn blob_size(&self, what: &'static str, digest: &Digest) -> Result<u64, Error> {
        let path = self.blob_path(digest);
        Ok(self.open_content(what, digest)?.metadata().on("read", &path)?.len())
    }

    fn receive(&self, digest: &Digest, mut from: impl Read, keep: Keep) -> Result<u64, Error> {
        let mut incoming: Incoming = self.incoming()?;
        io::copy(&mut from, &mut incoming).on("receive", &self.blob_path(digest))?;
        Ok(self.accept(incoming, Some(digest), keep)?.1)
    }
}
