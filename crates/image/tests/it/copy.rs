//! Copy layers: where things land, whose they are, and when they say they were made.

use crate::support::{commit, names_in, picture, store, write};
use kiln_image::{Clamp, CopyEntry, CopyKind, CopySource, Error, PUBLISHED_TIME, Store};
use kiln_names::Digest;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

fn entry(path: &str, mode: u32, kind: CopyKind) -> CopyEntry {
    CopyEntry { path: path.into(), mode, kind }
}

fn file(store: &Store, path: &str, content: &str) -> CopyEntry {
    let digest = Digest::of(content.as_bytes());
    store.cache_blob(&digest, content.as_bytes()).unwrap();
    entry(path, 0o644, CopyKind::File(CopySource::Blob(digest)))
}

/// The copied tree, over layers with merged `/lib`, a sticky `/tmp` and a directory of user 7.
fn copied(store: &Store, entries: &[CopyEntry]) -> Result<PathBuf, Error> {
    let base = commit(store, Clamp::keep(), |root| {
        write(&root.join("usr/lib/libc"), "", 0o644);
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/lib/../../usr/lib", root.join("tricky")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        fs::create_dir(root.join("tmp")).unwrap();
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        write(&root.join("srv/app/old"), "", 0o644);
        chown(root.join("srv/app"), Some(7), Some(8)).unwrap();
        write(&root.join("gone/file"), "", 0o644);
    });
    let above = commit(store, Clamp::keep(), |root| {
        let kind = rustix::fs::FileType::CharacterDevice;
        let mode = rustix::fs::Mode::empty();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("gone"), kind, mode, 0).unwrap();
    });
    let layer = store.copy_layer(entries, &[base.diff_id, above.diff_id])?;
    store.layer_dir(&layer.diff_id)
}

#[test]
fn copied_things_are_roots_and_directories_below_keep_what_they_were() {
    let (_dir, store) = store();
    let entries = [
        entry("/srv/app", 0o700, CopyKind::Directory),
        file(&store, "/srv/app/main.py", "print()"),
        file(&store, "/opt/new/x", "x"),
        entry("/opt/new", 0o750, CopyKind::Directory),
        entry("/opt/link", 0, CopyKind::Symlink("new/x".into())),
        file(&store, "/tmp/t", "t"),
        file(&store, "/gone/again", "g"),
    ];
    let tree = copied(&store, &entries).unwrap();
    let facts = |path: &str| {
        let meta = tree.join(path).symlink_metadata().unwrap();
        (meta.mode() & 0o7777, meta.uid(), meta.gid())
    };
    assert_eq!(facts("srv/app"), (0o755, 7, 8));
    assert_eq!(facts("srv/app/main.py"), (0o644, 0, 0));
    assert_eq!(facts("opt"), (0o755, 0, 0));
    assert_eq!(facts("opt/new"), (0o750, 0, 0));
    assert_eq!(facts("tmp"), (0o1777, 0, 0));
    assert_eq!(facts("gone"), (0o755, 0, 0));
    assert_eq!(fs::read_link(tree.join("opt/link")).unwrap(), PathBuf::from("new/x"));
    assert_eq!(names_in(&tree), ["gone", "opt", "srv", "tmp"]);
    assert_eq!(tree.join("srv").metadata().unwrap().mtime(), PUBLISHED_TIME);
}

#[test]
fn links_of_the_image_are_followed_and_never_replaced_by_directories() {
    let (_dir, store) = store();
    let entries = [
        file(&store, "/lib/a", "a"),
        file(&store, "/tricky/deep/b", "b"),
        entry("/lib", 0o700, CopyKind::Directory),
    ];
    let tree = copied(&store, &entries).unwrap();
    assert_eq!(names_in(&tree), ["usr"]);
    assert_eq!(names_in(&tree.join("usr/lib")), ["a", "deep"]);
    assert_eq!(tree.join("usr/lib").metadata().unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn what_would_hide_or_leave_the_image_is_refused() {
    let (_dir, store) = store();
    for (path, reason) in [
        ("/srv/app", "would replace a directory"),
        ("/", "would replace a directory"),
        ("/usr/lib/libc/x", "would be replaced by a directory"),
        ("../x", "leads out of the tree"),
        ("/loop/x", "too many symbolic links"),
        ("/srv/.wh.app", "would remove another file"),
    ] {
        let error = copied(&store, &[file(&store, path, "x")]).unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
    }
    let through =
        [entry("/new", 0, CopyKind::Symlink("/etc".into())), file(&store, "/new/passwd", "x")];
    assert!(copied(&store, &through).is_err());
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
}

#[test]
fn times_follow_the_content_and_the_layer_is_the_same_every_time() {
    let (_one, first) = store();
    let (_two, second) = store();
    let trees = [&first, &second].map(|store| {
        copied(store, &[file(store, "/srv/a", "one"), file(store, "/srv/b", "two")]).unwrap()
    });
    assert_eq!(picture(&trees[0]), picture(&trees[1]));
    assert_eq!(trees[0].parent().unwrap().file_name(), trees[1].parent().unwrap().file_name());
    let time = |name: &str| trees[0].join("srv").join(name).metadata().unwrap().mtime();
    assert_ne!(time("a"), time("b"));
    assert!((978_307_200..1_577_836_800).contains(&time("a")));
}

#[test]
fn a_damaged_blob_is_found_and_removed_so_that_it_can_be_sent_again() {
    let (_dir, store) = store();
    let entry = file(&store, "/srv/a", "content");
    let digest = Digest::of(b"content");
    fs::write(store.root().join("blobs/sha256").join(digest.hex()), "").unwrap();
    let error = copied(&store, std::slice::from_ref(&entry)).unwrap_err();
    assert!(matches!(error, Error::Mismatch { expected, .. } if expected == digest), "{error}");
    assert!(!store.has_blob(&digest));
    let error = copied(&store, &[entry]).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
}
