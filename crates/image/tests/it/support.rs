//! A store of its own for each test, and trees written down so that they can be compared.

use kiln_image::{Clamp, Layer, Store};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub(crate) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("images")).unwrap();
    (dir, store)
}

/// A time that is in no tree.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Commits what `fill` makes of an empty directory.
pub(crate) fn commit(store: &Store, clamp: Clamp, fill: impl FnOnce(&Path)) -> Layer {
    let staging = store.staging().unwrap();
    fill(&staging.root());
    store.commit_layer(staging, clamp).unwrap()
}

pub(crate) fn write(path: &Path, content: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn set_mtime(path: &Path, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    let stamp = rustix::fs::Timespec {
        tv_sec: since.as_secs().try_into().unwrap(),
        tv_nsec: since.subsec_nanos().into(),
    };
    let times = rustix::fs::Timestamps { last_access: stamp, last_modification: stamp };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

/// Everything about a tree that a layer keeps, a line per entry.
pub(crate) fn picture(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inodes = BTreeMap::new();
    picture_of(root, root, &mut lines, &mut inodes);
    lines
}

fn picture_of(
    root: &Path,
    path: &Path,
    lines: &mut Vec<String>,
    inodes: &mut BTreeMap<u64, String>,
) {
    let meta = path.symlink_metadata().unwrap();
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let same = match meta.is_dir() {
        true => name.clone(),
        false => inodes.entry(meta.ino()).or_insert_with(|| name.clone()).clone(),
    };
    let content = match () {
        () if meta.is_symlink() => fs::read_link(path).unwrap().display().to_string(),
        () if meta.is_file() => String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned(),
        () => String::new(),
    };
    let mut xattrs: Vec<String> = xattr::list(path)
        .unwrap()
        .map(|name| {
            let value = xattr::get(path, &name).unwrap();
            format!("{}={value:?}", name.display())
        })
        .collect();
    xattrs.sort();
    // Whiteouts carry no mode, owner or time: overlayfs looks at none of them.
    let facts = match meta.rdev() == 0 && meta.mode() & 0o170_000 == 0o020_000 {
        true => String::from("whiteout"),
        false => format!(
            "{:o} {}:{} {}.{} {content:?} {xattrs:?} same as {same:?}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
        ),
    };
    lines.push(format!("{name:?} {facts}"));
    if meta.is_dir() {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            picture_of(root, &path.join(name), lines, inodes);
        }
    }
}

/// The names below `path`, or that there are none.
pub(crate) fn names_in(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
