//! A tree, such as the upper directory of an overlay, written as a canonical archive.
//!
//! The tree is made equal to what the archive says: times are set, overlay's notes and sockets are
//! removed. It can then serve as the unpacked layer.

use super::{DEVICES, OPAQUE, WHITEOUT, attributes, open_dir_at, seal_root, set_time};
use crate::archive::{Kind, Member, Meta, TarWriter};
use crate::error::{Context as _, LayerError};
use crate::limits::{Budget, Limits};
use crate::{Clamp, PUBLISHED_TIME};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write};

/// Writes the tree below `root` as an archive `to` there, and makes the tree equal to it.
///
/// # Assumptions
/// Nothing else changes the tree meanwhile.
pub(crate) fn pack<W: Write>(
    root: &OwnedFd,
    clamp: Clamp,
    limits: Limits,
    to: W,
) -> Result<W, LayerError> {
    let tar = TarWriter::new(to);
    let mut packer = Packer { tar, clamp, budget: Budget::new(limits), names: HashMap::new() };
    let found = attributes::read_and_clean(root, c".", b"/")?;
    if !found.kept.is_empty() || found.opaque {
        return Err(LayerError::refused(
            b"/",
            "has attributes, which no archive holds for the root",
        ));
    }
    packer.children(root.as_fd(), &mut Vec::new())?;
    seal_root(root).within(b"/")?;
    packer.tar.finish().within(b"archive")
}

struct Packer<W> {
    tar: TarWriter<W>,
    clamp: Clamp,
    budget: Budget,
    /// The first name of every file that has several, by device and inode.
    names: HashMap<(u64, u64), Vec<u8>>,
}

/// One entry of the tree, by its name in an open directory.
#[derive(Clone, Copy)]
struct Entry<'e> {
    dir: BorrowedFd<'e>,
    name: &'e CStr,
    path: &'e [u8],
    stat: &'e Stat,
}

impl<W: Write> Packer<W> {
    fn children(&mut self, dir: BorrowedFd<'_>, path: &mut Vec<u8>) -> Result<(), LayerError> {
        for name in sorted_names(dir).within(path)? {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.entry(dir, &name, path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &mut Vec<u8>,
    ) -> Result<(), LayerError> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).within(path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let size = if kind == FileType::RegularFile { stat.st_size.cast_unsigned() } else { 0 };
        self.budget.entry(path, size)?;
        if name.to_bytes().starts_with(WHITEOUT) {
            return Err(LayerError::refused(path, "has a name that would remove another file"));
        }
        if kind == FileType::Directory {
            return self.directory(dir, name, path, &stat);
        }
        let entry = Entry { dir, name, path, stat: &stat };
        match kind {
            FileType::CharacterDevice if stat.st_rdev == 0 => self.marker(&whiteout_path(path)),
            FileType::Socket => remove(entry),
            FileType::CharacterDevice | FileType::BlockDevice if path.starts_with(DEVICES) => {
                remove(entry)
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                Err(LayerError::refused(path, "is a device node"))
            }
            _ => self.linkable(entry, kind),
        }
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &mut Vec<u8>,
        stat: &Stat,
    ) -> Result<(), LayerError> {
        let found = attributes::read_and_clean(dir, name, path)?;
        let mtime = self.mtime(stat);
        let meta = Meta { xattrs: found.kept, ..meta(stat, mtime) };
        self.write(&Member { path: path.clone(), kind: Kind::Directory, meta })?;
        if found.opaque {
            self.marker(&[path.as_slice(), b"/", OPAQUE].concat())?;
        }
        let children = open_dir_at(dir, name).within(path)?;
        self.children(children.as_fd(), path)?;
        set_time(dir, name, mtime).within(path)
    }

    /// An entry that may have several names: the first in the order of the archive is the file.
    fn linkable(&mut self, entry: Entry<'_>, kind: FileType) -> Result<(), LayerError> {
        let Entry { path, stat, .. } = entry;
        if stat.st_nlink > 1 {
            let known = self.names.entry((stat.st_dev, stat.st_ino));
            match known {
                std::collections::hash_map::Entry::Occupied(first) => {
                    let kind = Kind::HardLink { target: first.get().clone() };
                    let meta = meta(stat, self.clamp.apply(stat.st_mtime, nanos(stat)));
                    return self.write(&Member { path: path.to_vec(), kind, meta });
                }
                std::collections::hash_map::Entry::Vacant(first) => {
                    first.insert(path.to_vec());
                }
            }
        }
        self.single(entry, kind)
    }

    fn single(&mut self, entry: Entry<'_>, kind: FileType) -> Result<(), LayerError> {
        let Entry { dir, name, path, stat } = entry;
        let found = attributes::read_and_clean(dir, name, path)?;
        let mtime = self.mtime(stat);
        let kind = match kind {
            FileType::RegularFile => Kind::File { size: stat.st_size.cast_unsigned() },
            FileType::Fifo => Kind::Fifo,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new()).within(path)?;
                Kind::Symlink { target: target.into_bytes() }
            }
            _ => return Err(LayerError::refused(path, "is of no known kind")),
        };
        // Links and pipes cannot carry attributes that would outlive unpacking.
        let xattrs =
            if matches!(kind, Kind::File { .. }) { found.kept } else { Default::default() };
        let member =
            Member { path: path.to_vec(), kind, meta: Meta { xattrs, ..meta(stat, mtime) } };
        self.write(&member)?;
        if let Kind::File { size } = member.kind {
            let mut file = open_file(dir, name).within(path)?;
            self.tar.content(&mut file, size).within(path)?;
        }
        if stat.st_mtime != mtime || nanos(stat) != 0 {
            set_time(dir, name, mtime).within(path)?;
        }
        Ok(())
    }

    /// An empty file with a meaning.
    fn marker(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let meta = Meta { mtime: PUBLISHED_TIME, ..Meta::default() };
        self.write(&Member { path: path.to_vec(), kind: Kind::File { size: 0 }, meta })
    }

    fn write(&mut self, member: &Member) -> Result<(), LayerError> {
        self.tar.member(member).within(&member.path)
    }

    fn mtime(&self, stat: &Stat) -> i64 {
        self.clamp.apply(stat.st_mtime, nanos(stat))
    }
}

/// The names in a directory in the order of their bytes; a file system's own order says nothing.
fn sorted_names(dir: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open_file(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

fn remove(entry: Entry<'_>) -> Result<(), LayerError> {
    rustix::fs::unlinkat(entry.dir, entry.name, AtFlags::empty()).within(entry.path)
}

fn whiteout_path(path: &[u8]) -> Vec<u8> {
    let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    [&path[..name], WHITEOUT, &path[name..]].concat()
}

fn meta(stat: &Stat, mtime: i64) -> Meta {
    let mode = stat.st_mode & 0o7777;
    Meta { mode, uid: stat.st_uid, gid: stat.st_gid, mtime, ..Meta::default() }
}

fn nanos(stat: &Stat) -> u32 {
    u32::try_from(stat.st_mtime_nsec).expect("less than 10^9")
}
