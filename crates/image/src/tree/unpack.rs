//! An archive of a stranger, unpacked beneath a directory handle.

use super::{
    Before, Beneath, DEVICES, OPAQUE, WHITEOUT, attributes, clean_path, open_dir_at, seal_root,
    set_time,
};
use crate::PUBLISHED_TIME;
use crate::archive::{Kind, Meta, TarReader};
use crate::error::{Context as _, LayerError};
use crate::limits::{Budget, Limits};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

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
    let mut tar = TarReader::new(from, limits.attributes.0);
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
            return Ok(()); // The root is as every root is.
        }
        self.remember_parents(path);
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let name = &path[slash.map_or(0, |slash| slash + 1)..];
        if name.starts_with(WHITEOUT) {
            return match self.style {
                Style::Layer => self.whiteout(&path[..slash.unwrap_or(0)], name).within(path),
                Style::RootFs => Err(LayerError::refused(path, "would remove another file")),
            };
        }
        match kind {
            Kind::Directory => self.directory(path, meta).within(path),
            Kind::File { size } => self.file(path, *size, meta, content).within(path),
            Kind::Symlink { target } => self.symlink(path, target, meta).within(path),
            Kind::HardLink { target } => {
                let target = clean_path(target)?;
                self.tree.make_hard_link(path, &target).within(path)
            }
            Kind::Fifo => self.fifo(path, meta).within(path),
            Kind::Device if path.starts_with(DEVICES) => Ok(()),
            Kind::Device => Err(LayerError::refused(path, "is a device node")),
        }
    }

    /// Directories that the archive does not mention are root's and have the time of made-up things.
    fn remember_parents(&mut self, path: &[u8]) {
        let mut end = path.len();
        while let Some(slash) = path[..end].iter().rposition(|byte| *byte == b'/') {
            if self.directories.contains_key(&path[..slash]) {
                return;
            }
            let meta = Meta { mode: 0o755, mtime: PUBLISHED_TIME, ..Meta::default() };
            self.directories.insert(path[..slash].to_vec(), meta);
            end = slash;
        }
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
        if gone.starts_with(WHITEOUT) {
            return Ok(()); // Notes of aufs, which other tools leave out too.
        }
        if matches!(gone, b"" | b"." | b"..") {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
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
            let dir = self.open(&path).within(&path)?;
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

fn owner(meta: &Meta) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
}
