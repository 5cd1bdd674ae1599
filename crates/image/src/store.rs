//! The store: one directory, shared by everything that reads and makes images on this machine.

mod audit;
pub(crate) mod blobs;
mod gc;
mod images;
pub(crate) mod incoming;
mod index;
mod layers;
mod staging;

pub use audit::{Damage, Damaged};
pub use gc::Collected;
pub use images::{Image, Resolved};
pub use layers::Layer;
pub use staging::Staging;

use crate::disk;
use crate::document::{Index, LAYOUT};
use crate::error::{Context as _, Error};
use crate::limits::Limits;
use kiln_names::Digest;
use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where Linux names the boot it is in.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The image store in one directory. Cheap to clone; all clones are the same store.
///
/// All calls block on the disk: from async code, call them where blocking is allowed.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A store that is held still; see [`Store::hold_still`].
#[derive(Debug)]
pub struct Still(#[expect(dead_code, reason = "closing it lets go")] File);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    limits: Limits,
    /// Unsynced directories of another boot are not believed.
    boot: String,
    /// Keeps two threads from unpacking the same layer; a layer's lock is found by its first byte.
    layers: [Mutex<()>; 16],
    /// Held shared for as long as this store is open: another process must not empty `staging/`.
    _staging: File,
}

impl Store {
    /// Opens the store in `root`, making it if need be, and removes what an earlier process left
    /// unfinished.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be made or read.
    pub fn open(root: &Path) -> Result<Self, Error> {
        for part in ["", "blobs/sha256", "layers", "staging"] {
            let dir = root.join(part);
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).on("create", &dir)?;
        }
        let boot = std::fs::read_to_string(BOOT_ID).on("read", Path::new(BOOT_ID))?;
        let staging = staging::claim(&root.join("staging"))?;
        let inner = Inner {
            root: root.to_owned(),
            limits: Limits::default(),
            boot: boot.trim_end().to_owned(),
            layers: Default::default(),
            _staging: staging,
        };
        let store = Self { inner: Arc::new(inner) };
        store.write_layout()?;
        Ok(store)
    }

    /// The directory of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Holds the store still: as long as the answer lives no image comes or goes and nothing is
    /// collected. Waits for whoever does so now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn hold_still(&self) -> Result<Still, Error> {
        self.lock().map(Still)
    }

    fn write_layout(&self) -> Result<(), Error> {
        let _lock = self.lock()?;
        if !self.root().join("oci-layout").exists() {
            disk::replace(&self.root().join("oci-layout"), LAYOUT)?;
        }
        if !self.index_path().exists() {
            self.write_index(&Index::default())?;
        }
        Ok(())
    }

    fn index_path(&self) -> PathBuf {
        self.root().join("index.json")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.root().join("layers").join(diff_id.hex())
    }

    /// Held while the index changes or garbage is collected: against other threads and other
    /// processes alike, as every call opens the file anew.
    fn lock(&self) -> Result<File, Error> {
        let path = self.root().join("lock");
        let file = File::options().create(true).append(true).open(&path).on("open", &path)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).on("lock", &path)?;
        Ok(file)
    }

    fn lock_layer(&self, diff_id: &Digest) -> MutexGuard<'_, ()> {
        let first = diff_id.hex().as_bytes()[0];
        let lock = &self.inner.layers[usize::from(first) % self.inner.layers.len()];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
