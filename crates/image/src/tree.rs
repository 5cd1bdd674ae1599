//! Trees on disk as layers: packed into an archive, or unpacked from one beneath a directory handle.
//!
//! An unpacked layer speaks overlayfs, an archive speaks OCI:
//!
//! | means | on disk | in the archive |
//! |---|---|---|
//! | `name` of the layers below is gone | a character device 0:0 called `name` | an empty file `.wh.name` |
//! | nothing of the layers below shows in this directory | `trusted.overlay.opaque=y` on it | an empty file `.wh..wh..opq` in it |

mod attributes;
mod beneath;
mod pack;
mod unpack;

pub(crate) use beneath::{Before, Beneath, clean_path};
pub(crate) use pack::pack;
pub(crate) use unpack::{Style, unpack};

use crate::PUBLISHED_TIME;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use std::io;
use std::path::Path;

/// What the name of a whiteout begins with in an archive.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// The name of the entry that makes its directory opaque.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Device nodes here are left out instead of refused: every instance gets a `/dev` of its own.
pub(crate) const DEVICES: &[u8] = b"dev/";

/// Opens a directory of the host.
pub(crate) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    open_dir_at(CWD, path)
}

fn open_dir_at(dir: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// Gives the root of a layer the owner, mode and time that every root has. It is not in the archive.
fn seal_root(root: impl AsFd) -> io::Result<()> {
    let root = root.as_fd();
    rustix::fs::fchown(root, Some(Uid::ROOT), Some(Gid::ROOT))?;
    rustix::fs::fchmod(root, Mode::from_raw_mode(0o755))?;
    Ok(rustix::fs::futimens(root, &times(PUBLISHED_TIME))?)
}

/// Sets the modification time of `name` itself, link or not.
pub(crate) fn set_time(dir: impl AsFd, name: impl rustix::path::Arg, mtime: i64) -> io::Result<()> {
    Ok(rustix::fs::utimensat(dir, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Access times follow: nothing reads them, and this way they are not today's either.
fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
