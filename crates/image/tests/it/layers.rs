//! Trees become layers and layers become trees, the same ones every time.

use crate::support::{at, commit, names_in, picture, set_mtime, store, write};
use kiln_image::{Clamp, Error, LayerError, PUBLISHED_TIME, Store};
use kiln_names::Digest;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// A tree with something of everything, made "at" `now`.
fn everything(root: &Path, names: &[&str], now: u64) {
    for name in names {
        write(&root.join(name), &format!("content of {name}"), 0o644);
    }
    let package = root.join("usr/lib/package.py");
    write(&package, "import os", 0o640);
    chown(&package, Some(1000), Some(4_000_000)).unwrap();
    fs::set_permissions(&package, fs::Permissions::from_mode(0o6755)).unwrap();
    xattr::set(&package, "user.b", b"\n=1").unwrap();
    xattr::set(&package, "user.a", b"").unwrap();
    xattr::set(&package, "trusted.note", b"of this machine").unwrap();
    fs::hard_link(&package, root.join("usr/lib/again.py")).unwrap();
    symlink("../nowhere", root.join("usr/link")).unwrap();
    lchown(root.join("usr/link"), Some(7), Some(8)).unwrap();
    write(&root.join("usr").join("long/".repeat(40)).join("deep"), "", 0o600);
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("usr/pipe"), fifo, mode, 0).unwrap();
    drop(UnixListener::bind(root.join("usr/socket")).unwrap());
    for entry in picture_paths(root) {
        set_mtime(&entry, at(now) + Duration::from_millis(7));
    }
    set_mtime(&package, at(1_500_000_000) + Duration::from_millis(7));
}

fn picture_paths(root: &Path) -> Vec<std::path::PathBuf> {
    let mut paths = vec![root.to_owned()];
    let mut next = 0;
    while next < paths.len() {
        let path = paths[next].clone();
        if path.symlink_metadata().unwrap().is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    paths
}

#[test]
fn the_same_tree_made_in_another_order_on_another_day_is_the_same_layer() {
    let (_one, first) = store();
    let (_two, second) = store();
    let names = ["b", "a", "etc/x", "etc/a", "B"];
    let layer = commit(&first, Clamp::from_start(at(1_700_000_000)), |root| {
        everything(root, &names, 1_700_000_000);
    });
    let again = commit(&second, Clamp::from_start(at(1_800_000_000)), |root| {
        let mut names = names;
        names.reverse();
        everything(root, &names, 1_800_000_500);
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    });
    assert_eq!(layer, again);
    let trees = [first, second].map(|store| picture(&store.layer_dir(&layer.diff_id).unwrap()));
    assert_eq!(trees[0], trees[1]);
}

#[test]
fn a_changed_byte_mode_owner_time_or_attribute_is_another_layer() {
    let (_dir, store) = store();
    let layer = |change: &dyn Fn(&Path)| {
        commit(&store, Clamp::keep(), |root| {
            let file = root.join("file");
            write(&file, "x", 0o644);
            set_mtime(&file, at(1_000));
            change(&file);
        })
        .diff_id
    };
    let mut seen = vec![
        layer(&|_| {}),
        layer(&|file| {
            fs::write(file, "y").unwrap();
            set_mtime(file, at(1_000));
        }),
        layer(&|file| fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap()),
        layer(&|file| chown(file, Some(1), None).unwrap()),
        layer(&|file| set_mtime(file, at(1_001))),
        layer(&|file| xattr::set(file, "user.a", b"").unwrap()),
    ];
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_layer_unpacked_from_its_archive_is_the_tree_that_was_committed() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::from_start(at(1_700_000_000)), |root| {
        everything(root, &["a"], 1_700_000_000);
    });
    let dir = store.layer_dir(&layer.diff_id).unwrap();
    let committed = picture(&dir);
    let package = dir.join("usr/lib/package.py").metadata().unwrap();
    assert_eq!((package.mtime(), package.mtime_nsec()), (1_500_000_000, 0));
    assert_eq!(dir.join("a").metadata().unwrap().mtime(), PUBLISHED_TIME);
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    assert_eq!(store.layer_dir(&layer.diff_id).unwrap(), dir);
    assert_eq!(picture(&dir), committed);
    assert!(!committed.iter().any(|line| line.contains("socket") || line.contains("trusted")));
}

#[test]
fn the_archive_is_one_that_tar_lists() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |root| everything(root, &["a"], 1_700_000_000));
    let mut blob = store.open_blob(&layer.diff_id).unwrap();
    let mut archive = tar::Archive::new(&mut blob);
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    assert!(names.contains(&format!("usr/{}deep", "long/".repeat(40))), "{names:?}");
}

#[test]
fn many_threads_asking_for_a_missing_directory_all_get_it_whole() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |root| {
        for number in 0..200 {
            write(&root.join(format!("{number}")), "x", 0o644);
        }
    });
    let dir = store.layer_dir(&layer.diff_id).unwrap();
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let dir = store.layer_dir(&layer.diff_id).unwrap();
                assert_eq!(names_in(&dir).len(), 200);
            });
        }
    });
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
}

#[test]
fn a_directory_of_an_earlier_boot_that_was_not_synced_is_unpacked_again() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |root| write(&root.join("file"), "whole", 0o644));
    let dir = store.layer_dir(&layer.diff_id).unwrap();
    fs::write(dir.join("file"), "").unwrap();
    fs::write(dir.parent().unwrap().join("complete"), "another boot").unwrap();
    assert_eq!(store.layer_dir(&layer.diff_id).unwrap(), dir);
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "whole");
}

#[test]
fn a_damaged_archive_is_not_unpacked() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |root| write(&root.join("file"), "whole", 0o644));
    let hex = layer.diff_id.hex();
    fs::remove_dir_all(store.root().join("layers").join(&hex)).unwrap();
    let blob = store.root().join("blobs/sha256").join(&hex);
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() = 1;
    fs::write(&blob, bytes).unwrap();
    let error = store.layer_dir(&layer.diff_id).unwrap_err();
    assert!(matches!(error, Error::Mismatch { expected, .. } if expected == layer.diff_id));
    assert_eq!(names_in(&store.root().join("layers")), [""; 0]);
}

#[test]
fn what_no_layer_can_hold_is_refused_by_name() {
    let (_dir, store) = store();
    let refused = |make: &dyn Fn(&Path)| {
        let staging = store.staging().unwrap();
        make(&staging.root());
        store.commit_layer(staging, Clamp::keep()).unwrap_err().to_string()
    };
    let device = |path: &Path| {
        let kind = rustix::fs::FileType::CharacterDevice;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, null).unwrap();
    };
    assert_eq!(refused(&|root| device(&root.join("null"))), r#""null" is a device node"#);
    let error = refused(&|root| write(&root.join("etc/.wh.passwd"), "", 0o644));
    assert_eq!(error, r#""etc/.wh.passwd" has a name that would remove another file"#);
    let layer = commit(&store, Clamp::keep(), |root| {
        fs::create_dir(root.join("dev")).unwrap();
        device(&root.join("dev/null"));
    });
    assert_eq!(names_in(&store.layer_dir(&layer.diff_id).unwrap().join("dev")), [""; 0]);
}

#[test]
fn a_missing_layer_is_said_to_be_missing() {
    let (_dir, store) = store();
    let digest = Digest::of(b"nothing");
    let error = store.layer_dir(&digest).unwrap_err();
    assert_eq!(error.to_string(), format!("the image store has no layer {digest}"));
    assert!(!store.has_layer(&digest));
}

#[test]
fn staging_goes_with_its_owner_and_what_a_dead_process_left_goes_at_open() {
    let (dir, store) = store();
    let staged = store.root().join("staging");
    let staging = store.staging().unwrap();
    staging.scratch("work").unwrap();
    write(&staging.root().join("a/b"), "", 0);
    let other = Store::open(store.root()).unwrap();
    assert_eq!(names_in(&staged).len(), 1, "another opener leaves it alone");
    drop(staging);
    assert_eq!(names_in(&staged), [""; 0]);
    write(&staged.join("999-1/root/a"), "", 0o644);
    write(&staged.join("999-2"), "", 0o644);
    drop((store, other));
    Store::open(&dir.path().join("images")).unwrap();
    assert_eq!(names_in(&staged), [""; 0]);
}

#[test]
fn scratch_directories_are_no_part_of_the_layer() {
    let (_dir, store) = store();
    let staging = store.staging().unwrap();
    write(&staging.scratch("work").unwrap().join("x"), "", 0o644);
    let layer = store.commit_layer(staging, Clamp::keep()).unwrap();
    let dir = store.layer_dir(&layer.diff_id).unwrap();
    assert_eq!(names_in(dir.parent().unwrap()), ["complete", "root"]);
    assert_eq!(names_in(&dir), [""; 0]);
}

#[test]
fn a_layer_larger_than_its_limits_is_refused() {
    let (_dir, store) = store();
    let staging = store.staging().unwrap();
    let sparse = fs::File::create(staging.root().join("sparse")).unwrap();
    sparse.set_len(9 << 30).unwrap();
    let error = store.commit_layer(staging, Clamp::keep()).unwrap_err();
    let Error::Layer(LayerError::Limit { path, what, .. }) = error else { panic!("{error}") };
    assert_eq!((path.as_str(), what), ("sparse", "bytes in one file"));
}
