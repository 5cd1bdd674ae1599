//! An archive of a stranger, unpacked beneath a directory handle.

use super::{
    Before, Beneath, DEVICES, OPAQUE, WHITEOUT, attributes, clean_path, open_dir_at, seal_root,
    set_time,
};
use crate::PUBLISHED_TIME;
use crate::archive::{Kind, Meta, TarReader};
use crate::error::{Context as _, LayerError, shown};
use crate::limits::{Budget, Limits};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

/// What the names of notes begin with; the one that Kiln reads is [`OPAQUE`].
const NOTE: &[u8] = b".wh..wh.";

/// What names that begin with `.wh.` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Whiteouts.
    Layer,
    /// Nothing that a root file system may hold.
    RootFs,
}

/// Unpacks the archive `from` there beneath `root`, which is empty.
///
/// # Guarantees
/// Nothing outside `root` is touched; device nodes other than whiteouts are not made. The source is
/// read to the archive's end mark, not further.
pub(crate) fn unpack(
    from: impl Read,
    root: OwnedFd,
    style: Style,
    limits: Limits,
) -> Result<(), LayerError> {
    let budget = Budget::new(limits);
    let tree = Beneath::new(root);
    let mut unpacker = Unpacker { tree, style, budget, directories: BTreeMap::new() };
    let mut tar = TarReader::new(from, limits);
    while let Some(member) = tar.next()? {
        let path = clean_path(&member.path)?;
        unpacker.member(&path, &member.kind, &member.meta, &mut tar)?;
    }
    unpacker.finish()
}

struct Unpacker {
    tree: Beneath,
    style: Style,
    budget: Budget,
    /// What directories get at the end: making an entry changes the time of its directory, and
    /// group and default permissions of a directory would be inherited by what is made in it.
    directories: BTreeMap<Vec<u8>, Meta>,
}

impl Unpacker {
    fn member(
        &mut self,
        path: &[u8],
        kind: &Kind,
        meta: &Meta,
        content: &mut impl Read,
    ) -> Result<(), LayerError> {
        let size = if let Kind::File { size } = kind { *size } else { 0 };
        self.budget.entry(path, size)?;
        self.budget.attributes(path, meta)?;
        if path.is_empty() {
            return match kind {
                Kind::Directory => Ok(()), // The root is as every root is.
                _ => Err(LayerError::refused(path, "has no name")),
            };
        }
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = match slash {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        if path.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT)) {
            return self.note(path, parent, name);
        }
        self.remember_parents(path)?;
        match kind {
            Kind::Directory => self.directory(path, meta),
            Kind::File { size } => self.file(path, *size, meta, content),
            Kind::Symlink { target } => self.symlink(path, target, meta),
            Kind::HardLink { target } => {
                let target = clean_path(target)?;
                match self.tree.make_hard_link(path, &target) {
                    Ok(Some(reason)) => return Err(LayerError::refused(path, reason)),
                    other => other.map(drop),
                }
            }
            Kind::Fifo => self.fifo(path, meta),
            Kind::Device if path.starts_with(DEVICES) => Ok(()),
            Kind::Device => return Err(LayerError::refused(path, "is a device node")),
        }
        .map_err(|error| why(path, error))
    }

    /// Directories that the archive does not mention are root's and have the time of made-up things.
    /// They count as entries: else a short archive of long paths would make a large tree.
    fn remember_parents(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let mut end = path.len();
        while let Some(slash) = path[..end].iter().rposition(|byte| *byte == b'/') {
            if self.directories.contains_key(&path[..slash]) {
                break;
            }
            self.budget.implied(&path[..slash])?;
            let meta = Meta { mode: 0o755, mtime: PUBLISHED_TIME, ..Meta::default() };
            self.directories.insert(path[..slash].to_vec(), meta);
            end = slash;
        }
        Ok(())
    }

    /// An entry whose path has a name with a meaning: `.wh.` of what a whiteout removes, `.wh..wh.`
    /// of notes.
    fn note(&mut self, path: &[u8], parent: &[u8], name: &[u8]) -> Result<(), LayerError> {
        if self.style == Style::RootFs {
            return Err(LayerError::refused(path, "would remove another file"));
        }
        // Notes of aufs, which other tools leave out too.
        let noted = |name: &[u8]| name.starts_with(NOTE) && name != OPAQUE;
        if path.split(|byte| *byte == b'/').any(noted) {
            return Ok(());
        }
        if parent.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT)) {
            return Err(LayerError::refused(path, "lies beneath what is removed"));
        }
        if matches!(&name[WHITEOUT.len()..], b"" | b"." | b"..") {
            return Err(LayerError::refused(path, "removes nothing that has a name"));
        }
        if path == OPAQUE {
            // Overlayfs does not ask the root of a layer whether it is opaque.
            return Err(LayerError::refused(path, "would hide all layers below"));
        }
        self.remember_parents(path)?;
        self.whiteout(parent, name).map_err(|error| why(path, error))
    }

    fn directory(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        if self.tree.make_directory(path)? == Before::Whiteout {
            attributes::set_opaque(&self.open(path)?)?;
        }
        self.directories.insert(path.to_vec(), meta.clone());
        Ok(())
    }

    fn file(
        &mut self,
        path: &[u8],
        size: u64,
        meta: &Meta,
        content: &mut impl Read,
    ) -> io::Result<()> {
        let mut file = self.tree.make_file(path)?;
        io::copy(&mut content.take(size), &mut file)?;
        settle(&file, meta)
    }

    fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> io::Result<()> {
        self.tree.make_symlink(path, target)?;
        let (dir, name) = self.tree.parent(path)?;
        let (uid, gid) = owner(meta);
        rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        set_time(dir, name, meta.mtime)
    }

    fn fifo(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        self.tree.make_fifo(path)?;
        let (dir, name) = self.tree.parent(path)?;
        let (uid, gid) = owner(meta);
        rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        // The name was made a moment ago in a directory that only this process knows.
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(meta.mode), AtFlags::empty())?;
        set_time(dir, name, meta.mtime)
    }

    /// `.wh.name` in `dir`. A layer may remove a name and bring it again: a directory is then opaque,
    /// and anything else hides what is below it anyway.
    fn whiteout(&mut self, dir: &[u8], name: &[u8]) -> io::Result<()> {
        if name == OPAQUE {
            return attributes::set_opaque(&self.open(dir)?);
        }
        let gone = &name[WHITEOUT.len()..];
        let path = if dir.is_empty() { gone.to_vec() } else { [dir, b"/", gone].concat() };
        match self.tree.make_whiteout(&path)? {
            Before::Directory => attributes::set_opaque(&self.open(&path)?),
            _ => Ok(()),
        }
    }

    fn open(&mut self, dir: &[u8]) -> io::Result<File> {
        Ok(open_dir_at(self.tree.directory(dir)?, c".")?.into())
    }

    fn finish(mut self) -> Result<(), LayerError> {
        // From the deepest up: a device that was left out may have left its directory unmade.
        for (path, meta) in std::mem::take(&mut self.directories).into_iter().rev() {
            let dir = self.open(&path).map_err(|error| why(&path, error))?;
            settle(&dir, &meta).within(&path)?;
        }
        seal_root(self.tree.root()).within(b"/")
    }
}

/// Owner, mode, attributes and time of an open file, in the order that keeps set-user-id bits and
/// capabilities: a change of owner clears both.
fn settle(file: &File, meta: &Meta) -> io::Result<()> {
    let (uid, gid) = owner(meta);
    rustix::fs::fchown(file, uid, gid)?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(meta.mode))?;
    attributes::set(file, &meta.xattrs)?;
    Ok(rustix::fs::futimens(file, &super::times(meta.mtime))?)
}

/// What is wrong with the entry at `path`, when it is the kernel that noticed.
fn why(path: &[u8], error: io::Error) -> LayerError {
    let reason = match Errno::from_io_error(&error) {
        // A symbolic link is none, wherever it leads.
        Some(Errno::LOOP | Errno::NOTDIR) => "lies beneath what is no directory",
        Some(Errno::ISDIR) => "would replace a directory",
        Some(Errno::NAMETOOLONG) => "has too long a name",
        _ => return LayerError::Io { path: shown(path), source: error },
    };
    LayerError::refused(path, reason)
}

fn owner(meta: &Meta) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
}
