//! What a path of an image is on this machine, without a mount.

use crate::support::{commit, store, write};
use kiln_image::{Clamp, Limits, Stack, Store};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn whiteout(path: &Path) {
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, rustix::fs::Mode::empty(), 0).unwrap();
}

fn layers(store: &Store) -> Stack {
    let low = commit(store, Clamp::keep(), |root| {
        write(&root.join("etc/passwd"), "low", 0o644);
        write(&root.join("etc/group"), "low", 0o644);
        write(&root.join("usr/bin/tool"), "low", 0o755);
        write(&root.join("replaced/old"), "low", 0o644);
        write(&root.join("gone/old"), "low", 0o644);
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("/../etc/../bin/tool", root.join("link")).unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
    });
    let high = commit(store, Clamp::keep(), |root| {
        write(&root.join("etc/passwd"), "high", 0o644);
        whiteout(&root.join("gone"));
        write(&root.join("replaced/new"), "high", 0o644);
        xattr::set(root.join("replaced"), "trusted.overlay.opaque", b"y").unwrap();
    });
    store.stack(&[low.diff_id, high.diff_id]).unwrap()
}

#[test]
fn paths_are_found_where_an_overlay_would_find_them() {
    let (_dir, store) = store();
    let stack = layers(&store);
    for (path, expected) in [
        ("/etc/passwd", Some("high")),
        ("etc/group", Some("low")),
        ("/bin/tool", Some("low")),
        ("/link", Some("low")),
        ("/bin/../group", None),
        ("/gone/old", None),
        ("/gone", None),
        ("/replaced/old", None),
        ("/replaced/new", Some("high")),
        ("/etc/passwd/x", None),
        ("/none", None),
    ] {
        let found = stack.find(path).unwrap().map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(found.as_deref(), expected, "{path}");
    }
    assert!(stack.find("/").unwrap().is_some_and(|path| path.is_dir()));
    assert!(stack.find("/a").unwrap_err().to_string().contains("too many symbolic links"));
}

#[test]
fn a_root_file_system_can_be_changed_before_it_is_committed() {
    let (_dir, store) = store();
    let empty = [0; 1024];
    let staging = store.unpack_rootfs(empty.as_slice(), &Limits::default()).unwrap();
    write(&staging.root().join("sbin/kiln-init"), "init", 0o755);
    let layer = store.commit_layer(staging, Clamp::keep()).unwrap();
    let stack = store.stack(&[layer.diff_id]).unwrap();
    assert!(stack.find("/sbin/kiln-init").unwrap().is_some());
}
