//! Layers: a plain archive each, and beside it the same tree unpacked.

use super::Store;
use super::incoming::{Incoming, Keep};
use super::staging::Staging;
use crate::Clamp;
use crate::error::{Context as _, Error};
use crate::hash::Hashing;
use crate::limits::Limits;
use crate::tree::{self, Style};
use kiln_names::Digest;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

/// From this size on an unpacked layer is synced, so that a restart need not unpack it again. Below,
/// unpacking again is cheaper than a sync at every bake.
const SYNCED: u64 = 8 << 20;

/// What `complete` says of a directory that is on disk for good.
const DURABLE: &str = "durable";

/// A layer of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its archive.
    pub diff_id: Digest,
    /// The length of its archive.
    pub bytes: u64,
}

impl Store {
    /// Turns a tree into a layer: its archive is written, and the directory itself becomes the
    /// unpacked layer. The upper directory of an overlay is such a tree: its whiteouts and opaque
    /// directories are understood. Mode, owner and time of the root itself are not part of a layer.
    ///
    /// # Assumptions
    /// Nothing is mounted on the tree or changes it any more.
    ///
    /// # Errors
    /// [`Error::Layer`] for what a layer cannot hold: device nodes outside `dev/`, names that begin
    /// with `.wh.`, more than [`Limits`] allow; [`Error::Io`].
    pub fn commit_layer(&self, staging: Staging, clamp: Clamp) -> Result<Layer, Error> {
        staging.remove_scratch()?;
        let root = staging.root();
        let root = tree::open_dir(&root).on("open", &root)?;
        let incoming: Incoming = tree::pack(&root, clamp, self.inner.limits, self.incoming()?)?;
        let (diff_id, bytes) = self.accept(incoming, None, Keep::Durably)?;
        let _lock = self.lock_layer(&diff_id);
        let layer = Layer { diff_id, bytes };
        self.publish(staging, layer)?;
        Ok(layer)
    }

    /// Turns the archive of a root file system, which may come from a stranger, into a layer.
    ///
    /// Device nodes in `dev/` are left out; times are kept.
    ///
    /// # Errors
    /// [`Error::Layer`] for an archive that is damaged, larger than `limits`, or reaches out of its
    /// root; [`Error::Io`].
    pub fn import_rootfs(&self, tar: impl Read, limits: &Limits) -> Result<Layer, Error> {
        let staging = self.unpack_rootfs(tar, limits)?;
        self.commit_layer(staging, Clamp::keep())
    }

    /// As [`Store::import_rootfs`], but for the last step: what is to be changed in the tree can be
    /// changed before it is committed.
    ///
    /// # Errors
    /// As [`Store::import_rootfs`].
    pub fn unpack_rootfs(&self, tar: impl Read, limits: &Limits) -> Result<Staging, Error> {
        let staging = self.staging()?;
        let root = staging.root();
        let root = tree::open_dir(&root).on("open", &root)?;
        tree::unpack(tar, root, Style::RootFs, *limits)?;
        Ok(staging)
    }

    /// As [`Store::unpack_rootfs`] for an archive that is a blob of the store. A damaged one is
    /// removed, so that it can be sent again.
    ///
    /// # Errors
    /// As [`Store::unpack_rootfs`]; [`Error::Missing`]; [`Error::Mismatch`].
    pub fn unpack_rootfs_blob(&self, archive: &Digest, limits: Limits) -> Result<Staging, Error> {
        let unpacked = self.unpack("blob", archive, Style::RootFs, limits);
        if let Err(Error::Mismatch { .. }) = unpacked {
            self.remove_blob(archive)?;
        }
        unpacked
    }

    /// Whether the layer is in the store.
    #[must_use]
    pub fn has_layer(&self, diff_id: &Digest) -> bool {
        self.has_blob(diff_id)
    }

    /// The size of a layer that is in the store.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Io`].
    pub fn layer(&self, diff_id: &Digest) -> Result<Layer, Error> {
        Ok(Layer { diff_id: *diff_id, bytes: self.blob_size("layer", diff_id)? })
    }

    /// The unpacked layer: shared by all who mount it, never to be written. Unpacked from its archive
    /// if it is not there, once, however many ask.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Mismatch`] for a damaged archive; [`Error::Layer`] for a hostile
    /// one; [`Error::Io`].
    pub fn layer_dir(&self, diff_id: &Digest) -> Result<PathBuf, Error> {
        let dir = self.layer_path(diff_id).join("root");
        if self.is_complete(diff_id) {
            return Ok(dir);
        }
        let _lock = self.lock_layer(diff_id);
        if !self.is_complete(diff_id) {
            let layer = self.layer(diff_id)?;
            let staging = self.unpack("layer", diff_id, Style::Layer, self.inner.limits)?;
            self.publish(staging, layer)?;
        }
        Ok(dir)
    }

    /// Unpacks an archive of the store, which has to have its digest to the last byte.
    fn unpack(
        &self,
        what: &'static str,
        archive: &Digest,
        style: Style,
        limits: Limits,
    ) -> Result<Staging, Error> {
        let staging = self.staging()?;
        let root = staging.root();
        let root = tree::open_dir(&root).on("open", &root)?;
        let blob = BufReader::with_capacity(1 << 18, self.open_content(what, archive)?);
        let mut blob = Hashing::new(blob);
        let unpacked = tree::unpack(&mut blob, root, style, limits);
        io::copy(&mut blob, &mut io::sink()).on("read", &self.blob_path(archive))?;
        let (_, found, _) = blob.finish();
        if found != *archive {
            // Damage explains whatever unpacking found.
            return Err(Error::Mismatch { expected: *archive, found });
        }
        unpacked?;
        Ok(staging)
    }

    /// Makes a tree the unpacked directory of its layer; the caller holds the layer's lock. If there
    /// is one already the tree is dropped.
    fn publish(&self, staging: Staging, layer: Layer) -> Result<(), Error> {
        if self.is_complete(&layer.diff_id) {
            return Ok(());
        }
        self.discard_unpacked(&layer.diff_id)?;
        self.mark_complete(&staging, layer.bytes)?;
        let target = self.layer_path(&layer.diff_id);
        match std::fs::rename(staging.dir(), &target) {
            // Another process was first.
            Err(_) if self.is_complete(&layer.diff_id) => Ok(()),
            other => other.on("rename to", &target),
        }
    }

    /// Says, within the tree's own directory so that both are renamed as one, that it is whole.
    fn mark_complete(&self, staging: &Staging, bytes: u64) -> Result<(), Error> {
        let mark = staging.dir().join("complete");
        if bytes < SYNCED {
            return std::fs::write(&mark, &self.inner.boot).on("write", &mark);
        }
        let dir = File::open(staging.dir()).on("open", staging.dir())?;
        rustix::fs::syncfs(&dir).on("sync", staging.dir())?;
        std::fs::write(&mark, DURABLE).on("write", &mark)
    }

    fn is_complete(&self, diff_id: &Digest) -> bool {
        let mark = std::fs::read_to_string(self.layer_path(diff_id).join("complete"));
        mark.is_ok_and(|mark| mark == DURABLE || mark == self.inner.boot)
    }

    /// Removes an unpacked layer: first its name, so that nobody finds half of it.
    pub(super) fn discard_unpacked(&self, diff_id: &Digest) -> Result<(), Error> {
        let grave = self.staging()?;
        let to = grave.scratch("layer")?;
        let from = self.layer_path(diff_id);
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.on("remove", &from),
        }
    }
}
