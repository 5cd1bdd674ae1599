//! Archives and documents of strangers, each by name with what is made of it.
//!
//! Every archive is taken twice: as a root file system that becomes a layer, and as a layer that is
//! unpacked. Whatever comes of it, nothing outside the store changes, and what is refused leaves
//! nothing in the store.

mod archive;
mod attributes;
mod documents;
mod ends;
mod escapes;
mod headers;
mod images;
mod limits;
mod names;
mod replaced;
mod whiteouts;

use crate::support::{names_in, picture, store};
use archive::Entry;
use kiln_image::{Limits, Store};
use kiln_names::Digest;
use std::error::Error;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// An archive, and what is made of it.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    as_layer: Expected,
    as_rootfs: Expected,
}

/// What is made of an archive.
#[derive(Clone)]
enum Expected {
    /// The error says this.
    Refused(&'static str),
    /// This tree, as [`tree`] shows it.
    Tree(Vec<String>),
}

/// An archive that is refused in both forms, and why.
fn refused(name: &'static str, entries: &[Entry], why: &'static str) -> Case {
    bytes(name, archive::archive(entries), Expected::Refused(why))
}

/// An archive that is the same tree in both forms.
fn taken(name: &'static str, entries: &[Entry], tree: &[&str]) -> Case {
    bytes(name, archive::archive(entries), expected(tree))
}

/// Bytes of any kind.
fn bytes(name: &'static str, bytes: Vec<u8>, expected: Expected) -> Case {
    Case { name, bytes, as_layer: expected.clone(), as_rootfs: expected }
}

fn expected(tree: &[&str]) -> Expected {
    Expected::Tree(tree.iter().map(|line| String::from(*line)).collect())
}

/// A place that nothing may touch, and what is in it.
struct Outside {
    /// Its absolute path.
    path: String,
    before: Vec<String>,
}

impl Outside {
    fn new(dir: &Path) -> Self {
        let path = dir.join("outside");
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("file"), "untouched").unwrap();
        fs::write(path.join("sub/file"), "untouched").unwrap();
        Self { before: picture(&path), path: path.to_str().unwrap().to_owned() }
    }
}

/// Takes every archive in both forms.
fn check(cases: impl FnOnce(&str) -> Vec<Case>) {
    let (dir, store) = store();
    let outside = Outside::new(dir.path());
    for case in cases(&outside.path) {
        let layer = take(&store, as_layer, &case.bytes);
        agree(case.name, "as a layer", layer, &case.as_layer);
        let rootfs = take(&store, as_rootfs, &case.bytes);
        agree(case.name, "as a root file system", rootfs, &case.as_rootfs);
        assert_eq!(picture(Path::new(&outside.path)), outside.before, "{}", case.name);
        assert_eq!(names_in(dir.path()), ["images", "outside"], "{}", case.name);
    }
}

/// What became of an archive, with the store as empty afterwards as before.
fn take(
    store: &Store,
    how: fn(&Store, &[u8]) -> Result<Digest, kiln_image::Error>,
    bytes: &[u8],
) -> Result<Vec<String>, String> {
    let taken = how(store, bytes).map(|layer| tree(&store.layer_dir(&layer).unwrap()));
    let left = names_in(&store.root().join("staging"));
    assert_eq!(left, [""; 0], "{taken:?}");
    if taken.is_err() {
        assert_eq!(names_in(&store.root().join("layers")), [""; 0], "{taken:?}");
        assert_eq!(names_in(&store.root().join("blobs/sha256")), [""; 0], "{taken:?}");
    }
    store.gc(&[], &[]).unwrap();
    taken.map_err(|error| chain(&error))
}

fn as_layer(store: &Store, bytes: &[u8]) -> Result<Digest, kiln_image::Error> {
    let digest = Digest::of(bytes);
    store.put_blob(&digest, bytes)?;
    let unpacked = store.layer_dir(&digest);
    if unpacked.is_err() {
        store.remove_blob(&digest)?;
    }
    unpacked.map(|_| digest)
}

fn as_rootfs(store: &Store, bytes: &[u8]) -> Result<Digest, kiln_image::Error> {
    Ok(store.import_rootfs(bytes, &Limits::default())?.diff_id)
}

fn agree(name: &str, form: &str, taken: Result<Vec<String>, String>, expected: &Expected) {
    match (taken, expected) {
        (Err(error), Expected::Refused(why)) => {
            assert!(error.contains(why), "{name}, {form}: {error}");
            assert!(error.len() < 2000, "{name}, {form}: {} bytes of error", error.len());
        }
        (Ok(tree), Expected::Tree(lines)) => assert_eq!(tree, *lines, "{name}, {form}"),
        (Ok(tree), Expected::Refused(why)) => {
            panic!("{name}, {form}: not refused ({why}) {tree:?}")
        }
        (Err(error), Expected::Tree(_)) => panic!("{name}, {form}: refused: {error}"),
    }
}

fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(chain);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The tree below `root`, a line per entry: `d` directory, `f` file with its content, `l` symbolic
/// link with its target, `p` pipe, `w` whiteout. Modes other than 755 of directories and 644 of
/// files, owners other than root, attributes and second names follow.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    lines(root, root, &mut found);
    found
}

fn lines(root: &Path, dir: &Path, found: &mut Vec<String>) {
    for name in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()) {
        let path = dir.join(name);
        found.push(line(root, &path));
        if path.symlink_metadata().unwrap().is_dir() {
            lines(root, &path, found);
        }
    }
    found.sort_by(|a, b| a[2..].cmp(&b[2..]));
}

fn line(root: &Path, path: &Path) -> String {
    let meta = path.symlink_metadata().unwrap();
    let name = path.strip_prefix(root).unwrap().to_string_lossy();
    let kind = meta.file_type();
    let (mut line, usual) = match () {
        () if kind.is_dir() => (format!("d {name}"), 0o755),
        () if kind.is_symlink() => {
            return format!("l {name} -> {}", fs::read_link(path).unwrap().display());
        }
        () if kind.is_char_device() && meta.rdev() == 0 => return format!("w {name}"),
        () if kind.is_fifo() => (format!("p {name}"), 0o644),
        () if kind.is_file() => {
            (format!("f {name} {:?}", fs::read_to_string(path).unwrap()), 0o644)
        }
        () => panic!("{name} is of a kind that no layer holds"),
    };
    if meta.mode() & 0o7777 != usual {
        line.push_str(&format!(" {:o}", meta.mode() & 0o7777));
    }
    if (meta.uid(), meta.gid()) != (0, 0) {
        line.push_str(&format!(" {}:{}", meta.uid(), meta.gid()));
    }
    for name in xattr::list(path).unwrap() {
        let value = xattr::get(path, &name).unwrap().unwrap();
        line.push_str(&format!(" {}={:?}", name.display(), String::from_utf8_lossy(&value)));
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        line.push_str(&format!(" of {} names", meta.nlink()));
    }
    line
}
