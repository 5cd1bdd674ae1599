//! The layer of a `copy` step, made without mounting anything.
//!
//! All that is copied belongs to root. The time of a file is derived from its content: servers make
//! `ETag` and `Last-Modified` from time and length, and a constant time would leave browsers with the
//! old file whenever the new one is as long.

use crate::archive::Meta;
use crate::error::{Context as _, Error, LayerError};
use crate::hash::Hashing;
use crate::stack::{Stack, Stood};
use crate::store::{Layer, Store};
use crate::tree::{self, Beneath, WHITEOUT, clean_path};
use crate::{Clamp, PUBLISHED_TIME};
use kiln_names::Digest;
use rustix::fs::{Gid, Mode, Uid};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// 2001-01-01T00:00:00Z: the earliest time that content can stand for.
const EARLIEST: u64 = 978_307_200;
/// The seconds from there to 2020-01-01T00:00:00Z.
const RANGE: u64 = 1_577_836_800 - EARLIEST;

/// One thing to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyEntry {
    /// Where to in the image; a leading slash makes no difference.
    pub path: String,
    /// Permission bits; those of a symbolic link mean nothing.
    pub mode: u32,
    /// What it is.
    pub kind: CopyKind,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyKind {
    /// A directory. One that the image has already stays as it is.
    Directory,
    /// A file with that content.
    File(CopySource),
    /// A symbolic link with that text.
    Symlink(String),
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A file of this machine.
    Path(PathBuf),
    /// A blob of the store; checked while it is copied.
    Blob(Digest),
}

impl Store {
    /// Makes a layer of `entries` on top of an image whose layers are `below`, the lowest first.
    ///
    /// Directories above the entries that are there below keep their owner and mode, and symbolic
    /// links among them are followed as they would be in the image (`/lib/x` lands in `/usr/lib/x`
    /// where `/lib` is such a link). Directories that are not there are made, root's and 0755.
    ///
    /// # Errors
    /// [`Error::Layer`] for a path that leads out of the image or would replace a directory, or is
    /// replaced by one; [`Error::Mismatch`] for a damaged blob, which is removed so that it can be
    /// sent again; [`Error::Missing`]; [`Error::Io`].
    pub fn copy_layer(&self, entries: &[CopyEntry], below: &[Digest]) -> Result<Layer, Error> {
        let staging = self.staging()?;
        let root = staging.root();
        let tree = Beneath::new(tree::open_dir(&root).on("open", &root)?);
        let below = self.stack(below)?;
        let mut copier =
            Copier { store: self, tree, below, made: BTreeMap::new(), followed: BTreeMap::new() };
        for entry in entries {
            copier.entry(entry)?;
        }
        copier.finish()?;
        self.commit_layer(staging, Clamp::keep())
    }
}

struct Copier<'s> {
    store: &'s Store,
    tree: Beneath,
    below: Stack,
    /// Directories of this layer; they get their modes and times at the end.
    made: BTreeMap<Vec<u8>, Meta>,
    /// Where directories really are, by the path they were asked for.
    followed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Copier<'_> {
    fn entry(&mut self, entry: &CopyEntry) -> Result<(), Error> {
        let path = clean_path(entry.path.as_bytes())?;
        if path.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT)) {
            let reason = "has a name that would remove another file";
            return Err(LayerError::refused(&path, reason).into());
        }
        if let CopyKind::Directory = entry.kind {
            return self.asked_directory(&path, entry.mode & 0o7777);
        }
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path.as_slice()),
        };
        let parent = self.directory(parent)?;
        let path = join(&parent, name);
        if name.is_empty() || self.made.contains_key(&path) || self.below.is_directory(&path)? {
            return Err(LayerError::refused(&path, "would replace a directory").into());
        }
        match &entry.kind {
            CopyKind::File(source) => self.file(&path, entry.mode & 0o7777, source),
            CopyKind::Symlink(target) => Ok(self.symlink(&path, target).within(&path)?),
            CopyKind::Directory => unreachable!("returned above"),
        }
    }

    /// A directory that is copied, not only passed through, brings its mode unless it is there below.
    fn asked_directory(&mut self, path: &[u8], mode: u32) -> Result<(), Error> {
        let real = self.directory(path)?;
        let there = self.below.is_directory(&real)?;
        if let Some(meta) = self.made.get_mut(&real).filter(|_| !there) {
            meta.mode = mode;
        }
        Ok(())
    }

    /// Makes sure of a directory and those above it, and says where it really is.
    fn directory(&mut self, path: &[u8]) -> Result<Vec<u8>, Error> {
        if let Some(real) = self.followed.get(path) {
            return Ok(real.clone());
        }
        let mut real = Vec::new();
        for name in self.below.follow(path)? {
            real = self.one_directory(join(&real, &name))?;
        }
        self.followed.insert(path.to_vec(), real.clone());
        Ok(real)
    }

    fn one_directory(&mut self, path: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.made.contains_key(&path) {
            return Ok(path);
        }
        let mut meta = match self.below.at(&path)? {
            Stood::Directory(meta) => meta,
            Stood::Nothing => Meta { mode: 0o755, ..Meta::default() },
            Stood::Symlink(_) | Stood::Other => {
                return Err(LayerError::refused(&path, "would be replaced by a directory").into());
            }
        };
        meta.mtime = PUBLISHED_TIME;
        if self.tree.make_directory(&path).within(&path)? != tree::Before::Nothing {
            return Err(LayerError::refused(&path, "would be replaced by a directory").into());
        }
        self.made.insert(path.clone(), meta);
        Ok(path)
    }

    fn file(&mut self, path: &[u8], mode: u32, source: &CopySource) -> Result<(), Error> {
        let from = match source {
            CopySource::Path(path) => File::open(path).on("open", path)?,
            CopySource::Blob(digest) => self.store.open_blob(digest)?,
        };
        let mut from = Hashing::new(from);
        let mut file = self.tree.make_file(path).within(path)?;
        io::copy(&mut from, &mut file).within(path)?;
        let (_, found, _) = from.finish();
        if let CopySource::Blob(expected) = source
            && found != *expected
        {
            self.store.remove_blob(expected)?;
            return Err(Error::Mismatch { expected: *expected, found });
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).within(path)?;
        let (dir, name) = self.tree.parent(path).within(path)?;
        tree::set_time(dir, name, content_time(&found)).within(path)?;
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &str) -> io::Result<()> {
        self.tree.make_symlink(path, target.as_bytes())?;
        let (dir, name) = self.tree.parent(path)?;
        tree::set_time(dir, name, PUBLISHED_TIME)
    }

    fn finish(mut self) -> Result<(), Error> {
        for (path, meta) in std::mem::take(&mut self.made).iter().rev() {
            self.settle(path, meta).within(path)?;
        }
        Ok(())
    }

    fn settle(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        let dir = self.tree.directory(path)?;
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::fchown(dir, Some(uid), Some(gid))?;
        rustix::fs::fchmod(dir, Mode::from_raw_mode(meta.mode))?;
        tree::set_time(dir, c".", meta.mtime)
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// A time that changes with the content and with nothing else.
fn content_time(content: &Digest) -> i64 {
    let hex = content.hex();
    let number = u64::from_str_radix(&hex[..16], 16).expect("a digest is hexadecimal");
    (EARLIEST + number % RANGE).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_content_lie_between_2001_and_2020_and_differ() {
        let times = (0..100_u8).map(|content| content_time(&Digest::of(&[content])));
        let times: std::collections::BTreeSet<i64> = times.collect();
        assert_eq!(times.len(), 100);
        assert!(times.iter().all(|time| (978_307_200..1_577_836_800).contains(time)));
    }
}
