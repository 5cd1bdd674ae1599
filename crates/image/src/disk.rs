//! Files that are either wholly there or not there.

use crate::error::{Context as _, Error};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Writes `content` beside `path` and renames it there, on disk when this returns.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).on("create", &beside)?;
    file.write_all(content).on("write", &beside)?;
    file.sync_data().on("sync", &beside)?;
    std::fs::rename(&beside, path).on("rename to", path)?;
    sync_dir(path.parent().expect("files of the store have a directory"))
}

/// Puts the names in a directory on disk.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|dir| dir.sync_all()).on("sync", path)
}
