//! Extended attributes: which ones belong to a layer, and which are overlayfs's own notes.

use crate::error::{Context as _, LayerError};
use rustix::fd::{AsFd, AsRawFd as _};
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use xattr::FileExt as _;

const OPAQUE: &str = "trusted.overlay.opaque";

/// Overlay notes that say "the rest is elsewhere": with one of these the directory is not the layer.
const ELSEWHERE: [&str; 2] = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];

/// What was found on one entry of a tree.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Those that go into the archive.
    pub(super) kept: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The directory hides what is below it.
    pub(super) opaque: bool,
}

/// Whether an attribute is part of a layer. Others belong to this host (`trusted.*`, labels of its
/// security modules) or would forge overlayfs's notes.
pub(super) fn belongs(name: &[u8]) -> bool {
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
    }
}

/// Reads the attributes of `name` in `dir`, and removes from it what must not be in a lower layer.
pub(super) fn read_and_clean(
    dir: impl AsFd,
    name: &CStr,
    path: &[u8],
) -> Result<Attributes, LayerError> {
    let entry = entry_path(dir, name);
    let mut found = Attributes::default();
    for name in names(&entry).within(path)? {
        if belongs(name.as_bytes()) {
            let value = xattr::get(&entry, &name).within(path)?.unwrap_or_default();
            found.kept.insert(name.as_bytes().to_vec(), value);
        } else if name == OPAQUE {
            found.opaque = xattr::get(&entry, &name).within(path)?.as_deref() == Some(b"y");
        } else if ELSEWHERE.iter().any(|note| name == *note) {
            let reason = "is only a reference: mount with redirect_dir=off and metacopy=off";
            return Err(LayerError::refused(path, reason));
        } else if name.as_bytes().starts_with(b"trusted.")
            || name.as_bytes().starts_with(b"user.overlay.")
        {
            xattr::remove(&entry, &name).within(path)?;
        }
    }
    Ok(found)
}

/// Sets those of `xattrs` that belong to a layer.
pub(super) fn set(file: &File, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
    for (name, value) in xattrs.iter().filter(|(name, _)| belongs(name)) {
        file.set_xattr(OsStr::from_bytes(name), value)?;
    }
    Ok(())
}

/// Makes a directory hide what is below it.
pub(super) fn set_opaque(dir: &File) -> io::Result<()> {
    dir.set_xattr(OPAQUE, b"y")
}

fn names(entry: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match xattr::list(entry) {
        Ok(names) => Ok(names.collect()),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A path to an entry of an open directory that does not pass through any other name: the kernel has
/// attribute calls on names within a directory only since 6.13.
fn entry_path(dir: impl AsFd, name: &CStr) -> PathBuf {
    let dir = format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd());
    Path::new(&dir).join(OsStr::from_bytes(name.to_bytes()))
}
