//! Root file systems of strangers: none writes outside its own directory.

use crate::support::{names_in, picture, store};
use kiln_image::{Limits, Store};
use kiln_names::{ByteSize, Digest};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use tar::{EntryType, Header};

/// One entry: kind, path, link target, content.
type Entry<'e> = (EntryType, &'e str, &'e str, &'e str);

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;
const SYMLINK: EntryType = EntryType::Symlink;
const LINK: EntryType = EntryType::Link;

/// An archive with names just as they are given, which no decent archiver would write.
fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, path, target, content) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn import(store: &Store, entries: &[Entry<'_>]) -> Result<PathBuf, String> {
    let layer = store.import_rootfs(archive(entries).as_slice(), &Limits::default());
    let layer = layer.map_err(|error| error.to_string())?;
    Ok(store.layer_dir(&layer.diff_id).unwrap())
}

#[test]
fn paths_that_lead_out_are_refused_and_nothing_outside_changes() {
    let (dir, store) = store();
    let canary = dir.path().join("canary");
    fs::create_dir_all(canary.join("sub")).unwrap();
    fs::write(canary.join("file"), "untouched").unwrap();
    fs::write(canary.join("sub/file"), "untouched").unwrap();
    let before = picture(&canary);
    let outside = canary.to_str().unwrap();
    let outside_file = canary.join("file");
    let outside_file = outside_file.to_str().unwrap();
    let up = format!("{}{}", "../".repeat(12), outside_file);
    let attempts: &[&[Entry<'_>]] = &[
        &[(FILE, "../escaped", "", "x")],
        &[(FILE, "a/../../escaped", "", "x")],
        &[(SYMLINK, "out", outside, ""), (FILE, "out/file", "", "x")],
        &[(SYMLINK, "out", outside, ""), (DIR, "out/dir", "", "")],
        &[(SYMLINK, "out", outside, ""), (SYMLINK, "out/link", "x", "")],
        &[(SYMLINK, "out", outside, ""), (LINK, "in", "out/file", "")],
        // The link is not the last name on the way: only the resolution itself can refuse it.
        &[(SYMLINK, "out", outside, ""), (FILE, "out/sub/new", "", "x")],
        &[(SYMLINK, "out", outside, ""), (DIR, "out/sub/dir", "", "")],
        &[(SYMLINK, "out", outside, ""), (LINK, "in", "out/sub/file", "")],
        &[(SYMLINK, "a", "..", ""), (FILE, "a/a/escaped", "", "x")],
        &[(DIR, "d", "", ""), (SYMLINK, "d/out", outside, ""), (FILE, "d/out/new", "", "x")],
        &[(LINK, "in", outside_file, "")],
        &[(LINK, "in", &up, "")],
        &[(DIR, "in", "", ""), (FILE, "in", "", "x")],
        &[(FILE, "in", "", "x"), (FILE, "in/below", "", "x")],
        &[(FILE, "in", "", "x"), (LINK, "in", "in", "")],
        &[(EntryType::Char, "null", "", "")],
        &[(EntryType::Block, "etc/disk", "", "")],
        &[(FILE, "etc/.wh.passwd", "", "")],
        &[(EntryType::GNUSparse, "sparse", "", "")],
    ];
    for entries in attempts {
        assert!(import(&store, entries).is_err(), "{entries:?}");
    }
    assert_eq!(picture(&canary), before);
    assert_eq!(names_in(dir.path()), ["canary", "images"]);
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    assert_eq!(names_in(&store.root().join("layers")), [""; 0]);
}

#[test]
fn odd_but_honest_archives_are_unpacked_as_tar_would() {
    let (dir, store) = store();
    let canary = dir.path().join("canary");
    fs::write(&canary, "untouched").unwrap();
    let tree = import(
        &store,
        &[
            (DIR, "./", "", ""),
            (FILE, "/absolute/file", "", "1"),
            (FILE, "./twice", "", "first, and longer"),
            (FILE, "twice", "", "second"),
            (SYMLINK, "link", canary.to_str().unwrap(), ""),
            (FILE, "link", "", "not through the link"),
            (SYMLINK, "lib", "usr/lib", ""),
            (LINK, "lib2", "lib", ""),
            (LINK, "hard", "/absolute/file", ""),
            (FILE, "hard", "", "no longer the same"),
            (EntryType::Char, "dev/null", "", ""),
            (FILE, "old-style-directory/", "", ""),
        ],
    )
    .unwrap();
    let read = |name: &str| fs::read_to_string(tree.join(name)).unwrap();
    assert_eq!(read("absolute/file"), "1");
    assert_eq!(read("twice"), "second");
    assert_eq!(read("link"), "not through the link");
    assert_eq!(read("hard"), "no longer the same");
    assert_eq!(fs::read_link(tree.join("lib2")).unwrap(), PathBuf::from("usr/lib"));
    assert!(tree.join("old-style-directory").is_dir());
    assert_eq!(names_in(&tree.join("dev")), [""; 0]);
    assert_eq!(fs::read_to_string(&canary).unwrap(), "untouched");
    let implicit = tree.join("absolute").metadata().unwrap();
    assert_eq!((implicit.mode() & 0o7777, implicit.mtime()), (0o755, kiln_image::PUBLISHED_TIME));
}

#[test]
fn an_archive_beyond_any_limit_is_refused_and_leaves_nothing() {
    let (_dir, store) = store();
    let limits = Limits::default();
    let deep = "d/".repeat(20);
    let entries: &[Entry<'_>] = &[(FILE, &deep, "", ""), (FILE, "large", "", "0123456789")];
    let bytes = archive(entries);
    for (limits, expected) in [
        (Limits { entries: 1, ..limits }, "entries"),
        (Limits { file: ByteSize(9), ..limits }, "bytes in one file"),
        (Limits { total: ByteSize(1030), ..limits }, "bytes in all"),
        (Limits { depth: 4, ..limits }, "directories above an entry"),
        (Limits { path: ByteSize(30), ..limits }, "bytes in a path"),
        (Limits { names: ByteSize(40), ..limits }, "bytes in all names"),
    ] {
        let error = store.import_rootfs(bytes.as_slice(), &limits).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    assert_eq!(names_in(&store.root().join("blobs/sha256")), [""; 0]);
}

#[test]
fn whiteouts_of_foreign_layers_are_understood_in_any_order() {
    let (_dir, store) = store();
    let bytes = archive(&[
        (FILE, "etc/.wh.gone", "", ""),
        (DIR, "etc/back", "", ""),
        (FILE, "etc/.wh.back", "", ""),
        (FILE, "etc/.wh.file", "", ""),
        (FILE, "etc/file", "", "new"),
        (FILE, "opaque/.wh..wh..opq", "", ""),
        (FILE, ".wh..wh.plnk", "", ""),
        (FILE, ".wh.top", "", ""),
        (DIR, "top", "", ""),
    ]);
    let digest = Digest::of(&bytes);
    store.put_blob(&digest, bytes.as_slice()).unwrap();
    let tree = picture(&store.layer_dir(&digest).unwrap());
    let opaque = |name: &str| {
        let start = format!("{name:?} ");
        let line = tree.iter().find(|line| line.starts_with(&start)).unwrap();
        line.contains("trusted.overlay.opaque=Some([121])")
    };
    assert!(tree.contains(&String::from(r#""etc/gone" whiteout"#)), "{tree:#?}");
    assert!(opaque("etc/back") && opaque("opaque") && opaque("top"), "{tree:#?}");
    assert!(!opaque("etc") && !opaque("etc/file"), "{tree:#?}");
    assert_eq!(tree.len(), 7, "{tree:#?}");
}

#[test]
fn a_whiteout_of_nothing_or_of_the_directory_itself_is_refused() {
    let (_dir, store) = store();
    for name in ["a/.wh.", "a/.wh..", "a/.wh..."] {
        let bytes = archive(&[(FILE, name, "", "")]);
        let digest = Digest::of(&bytes);
        store.put_blob(&digest, bytes.as_slice()).unwrap();
        assert!(store.layer_dir(&digest).is_err(), "{name}");
    }
}
