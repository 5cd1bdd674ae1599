//! Writing a tree beneath a directory handle, whatever the names and links in it say.

use super::open_dir_at;
use crate::error::LayerError;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// Of layers, too: what a hard link names is in the same layer.
const NOT_THERE: &str = "links to what is not in the archive before it";

/// A directory below which entries are made, and never outside of it.
///
/// # Guarantees
/// No symbolic link is followed, not even one made here a moment ago. Every entry is made fresh:
/// nothing is written through a file or hard link that existed.
#[derive(Debug)]
pub(crate) struct Beneath {
    root: OwnedFd,
    /// The directory used last: archives name the entries of a directory one after the other.
    /// Directories are never removed or renamed here, so it stays right.
    last: Option<(Vec<u8>, OwnedFd)>,
}

/// What stood where an entry was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    Directory,
    Whiteout,
    Other,
}

impl Beneath {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root, last: None }
    }

    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens the directory at `path`, which is clean; makes it and those above it if need be.
    pub(crate) fn directory(&mut self, path: &[u8]) -> io::Result<BorrowedFd<'_>> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let dir = match self.open(path) {
                Err(Errno::NOENT) => self.make_all(path)?,
                other => other?,
            };
            self.last = Some((path.to_vec(), dir));
        }
        let (_, dir) = self.last.as_ref().expect("it was set above");
        Ok(dir.as_fd())
    }

    /// Makes the directory at `path` unless it is there; says what was. What is not a directory is
    /// replaced by one.
    pub(crate) fn make_directory(&mut self, path: &[u8]) -> io::Result<Before> {
        let (parent, name) = self.parent(path)?;
        let before = look(parent, name)?;
        match before {
            Before::Directory => return Ok(before),
            Before::Nothing => {}
            _ => rustix::fs::unlinkat(parent, name, AtFlags::empty())?,
        }
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
        Ok(before)
    }

    /// Makes an empty file, open for writing, its mode still closed to others.
    pub(crate) fn make_file(&mut self, path: &[u8]) -> io::Result<File> {
        let (parent, name) = self.vacant(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        Ok(rustix::fs::openat(parent, name, flags | OFlags::CLOEXEC, mode)?.into())
    }

    pub(crate) fn make_symlink(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let (parent, name) = self.vacant(path)?;
        Ok(rustix::fs::symlinkat(target, parent, name)?)
    }

    /// Gives the entry at `target` a second name; if that is a symbolic link, the link itself.
    /// Returns what was wrong with the target, or nothing.
    pub(crate) fn make_hard_link(
        &mut self,
        path: &[u8],
        target: &[u8],
    ) -> io::Result<Option<&'static str>> {
        let (target_parent, target_name) = split(target);
        let target_parent = match target_parent {
            b"" => self.root.try_clone()?,
            parent => match self.open(parent) {
                Err(Errno::NOENT) => return Ok(Some(NOT_THERE)),
                other => other?,
            },
        };
        match look(target_parent.as_fd(), target_name)? {
            Before::Other if path != target => {}
            Before::Nothing => return Ok(Some(NOT_THERE)),
            Before::Directory => return Ok(Some("links to a directory")),
            Before::Whiteout => return Ok(Some("links to what is removed")),
            Before::Other => return Ok(Some("links to itself")),
        }
        let (parent, name) = self.vacant(path)?;
        rustix::fs::linkat(target_parent, target_name, parent, name, AtFlags::empty())?;
        Ok(None)
    }

    pub(crate) fn make_fifo(&mut self, path: &[u8]) -> io::Result<()> {
        let (parent, name) = self.vacant(path)?;
        Ok(rustix::fs::mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?)
    }

    /// Makes a whiteout where nothing is; says what was there.
    pub(crate) fn make_whiteout(&mut self, path: &[u8]) -> io::Result<Before> {
        let (parent, name) = self.parent(path)?;
        let before = look(parent, name)?;
        if before == Before::Nothing {
            let kind = FileType::CharacterDevice;
            rustix::fs::mknodat(parent, name, kind, Mode::empty(), 0)?;
        }
        Ok(before)
    }

    /// The directory that holds `path`, and its name in it.
    pub(crate) fn parent<'a>(
        &'a mut self,
        path: &'a [u8],
    ) -> io::Result<(BorrowedFd<'a>, &'a [u8])> {
        let (parent, name) = split(path);
        Ok((self.directory(parent)?, name))
    }

    /// As `parent`, with whatever was called so removed; directories are not.
    fn vacant<'a>(&'a mut self, path: &'a [u8]) -> io::Result<(BorrowedFd<'a>, &'a [u8])> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok((parent, name)),
            Err(error) => Err(error.into()),
        }
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    fn make_all(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut dir = self.root.try_clone()?;
        for name in path.split(|byte| *byte == b'/') {
            match rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => dir = open_dir_at(&dir, name)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(dir)
    }
}

fn look(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Before> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(Before::Nothing),
        Err(error) => Err(error.into()),
        Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Before::Directory,
            FileType::CharacterDevice => Before::Whiteout,
            _ => Before::Other,
        }),
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A path of an archive relative to the root: no leading slash, no `.`, no empty part; the root
/// itself is empty.
///
/// # Errors
/// `..` in any place, and bytes that no file name holds.
pub(crate) fn clean_path(path: &[u8]) -> Result<Vec<u8>, LayerError> {
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err(LayerError::refused(path, "leads out of the tree")),
            _ if part.contains(&0) => return Err(LayerError::refused(path, "holds a zero byte")),
            _ if clean.is_empty() => {}
            _ => clean.push(b'/'),
        }
        clean.extend_from_slice(part);
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_relative_or_refused() {
        for (path, expected) in [
            ("./etc//passwd", Some("etc/passwd")),
            ("/etc/", Some("etc")),
            ("./", Some("")),
            ("...", Some("...")),
            ("a/../b", None),
            ("..", None),
            ("a\0b", None),
        ] {
            let clean = clean_path(path.as_bytes()).ok();
            assert_eq!(clean.as_deref(), expected.map(str::as_bytes), "{path:?}");
        }
    }
}
