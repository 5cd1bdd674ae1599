//! Directories in the making, on the same file system as what they will become.

use super::{Inner, Store};
use crate::error::{Context as _, Error};
use crate::remove::remove_tree;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers the names of one process; shared by all its stores, as two may be of one directory.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A tree in the making. Removed when dropped, unless it became a layer.
///
/// `root()` is the tree: use it as the upper directory of an overlay, or fill it. Work directories
/// and mount points go to `scratch`, which never becomes part of the layer.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    /// Keeps other processes from emptying `staging/`.
    _store: Arc<Inner>,
}

impl Staging {
    /// The directory that becomes the layer's root.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Makes a directory for other things, on the same file system.
    ///
    /// # Errors
    /// [`Error::Io`] when it is there already or the disk refuses.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.dir.join("scratch").join(name);
        let parent = path.parent().expect("it was joined to one");
        std::fs::create_dir_all(parent).on("create", parent)?;
        std::fs::create_dir(&path).on("create", &path)?;
        Ok(path)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves nothing but the root.
    pub(super) fn remove_scratch(&self) -> Result<(), Error> {
        remove_tree(&self.dir.join("scratch"))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.dir) {
            // What stays is removed when the store is next opened.
            tracing::warn!(%error, dir = %self.dir.display(), "staging directory not removed");
        }
    }
}

impl Store {
    /// A fresh directory on the store's file system.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn staging(&self) -> Result<Staging, Error> {
        let dir = self.fresh(|path| std::fs::create_dir(path))?.0;
        let staging = Staging { dir, _store: self.inner.clone() };
        let root = staging.root();
        std::fs::create_dir(&root).on("create", &root)?;
        Ok(staging)
    }

    /// Makes something under a name in `staging/` that nobody has.
    pub(super) fn fresh<T>(
        &self,
        make: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<(PathBuf, T), Error> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("staging/{}-{number}", std::process::id());
            let path = self.root().join(name);
            match make(&path) {
                // Another process of the same id, in another namespace.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.on("create", &path).map(|made| (path, made)),
            }
        }
    }
}

/// Empties `staging/` unless another process has the store open, and marks it as open.
pub(super) fn claim(staging: &Path) -> Result<File, Error> {
    let mark = File::open(staging).on("open", staging)?;
    match rustix::fs::flock(&mark, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            for entry in std::fs::read_dir(staging).on("list", staging)? {
                remove_tree(&entry.on("list", staging)?.path())?;
            }
        }
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error).on("lock", staging),
    }
    rustix::fs::flock(&mark, FlockOperation::LockShared).on("lock", staging)?;
    Ok(mark)
}
