//! Names with a meaning. In a root file system none may stand.

use super::archive::{Entry, dir, file, link, node, symlink};
use super::{Case, Expected, check, expected};

const ROOTFS: Expected = Expected::Refused("would remove another file");

fn layer(name: &'static str, entries: &[Entry], tree: &[&str]) -> Case {
    let bytes = super::archive::archive(entries);
    Case { name, bytes, as_layer: expected(tree), as_rootfs: ROOTFS }
}

fn refused(name: &'static str, entries: &[Entry], why: &'static str) -> Case {
    let bytes = super::archive::archive(entries);
    Case { name, bytes, as_layer: Expected::Refused(why), as_rootfs: ROOTFS }
}

/// Refused in either form, and for the same reason.
fn never(name: &'static str, entries: &[Entry], why: &'static str) -> Case {
    super::refused(name, entries, why)
}

const OPAQUE: &str = r#"trusted.overlay.opaque="y""#;

#[test]
fn whiteouts_are_understood_in_any_order() {
    check(|outside| {
        vec![
            layer("of a name", &[file("etc/.wh.gone", "")], &["d etc", "w etc/gone"]),
            layer(
                "of a directory after it",
                &[dir("a"), file(".wh.a", "")],
                &[&format!("d a {OPAQUE}")],
            ),
            layer(
                "of a directory before it",
                &[file(".wh.a", ""), dir("a")],
                &[&format!("d a {OPAQUE}")],
            ),
            layer("of a file after it", &[file("a", "1"), file(".wh.a", "")], &[r#"f a "1""#]),
            layer("of a file before it", &[file(".wh.a", ""), file("a", "1")], &[r#"f a "1""#]),
            layer(
                "of a symbolic link before it",
                &[file(".wh.a", ""), symlink("a", outside)],
                &[&format!("l a -> {outside}")],
            ),
            layer("twice", &[file(".wh.a", ""), file(".wh.a", "")], &["w a"]),
            layer("that is a symbolic link itself", &[symlink(".wh.a", outside)], &["w a"]),
            layer("that is a directory itself", &[dir(".wh.a")], &["w a"]),
            layer("that is a device itself", &[node(b'3', ".wh.a")], &["w a"]),
            layer(
                "with content",
                &[file(".wh.a", "content"), file("b", "")],
                &["w a", r#"f b """#],
            ),
            layer(
                "of all that is below",
                &[file("a/.wh..wh..opq", "")],
                &[&format!("d a {OPAQUE}")],
            ),
            layer(
                "of all that is below, after it",
                &[file("a/b", ""), file("a/.wh..wh..opq", "")],
                &[&format!("d a {OPAQUE}"), r#"f a/b """#],
            ),
            layer(
                "notes of aufs",
                &[file(".wh..wh.plnk", ""), file(".wh..wh.orph/1.2", ""), dir("a/.wh..wh.aufs")],
                &[],
            ),
            layer("of a name with dots", &[file(".wh....", "")], &["w ..."]),
        ]
    });
}

#[test]
fn whiteouts_that_reach_elsewhere_or_mean_nothing_are_refused() {
    check(|outside| {
        let out = symlink("out", outside);
        let nameless = "removes nothing that has a name";
        vec![
            refused(
                "through a symbolic link",
                &[out.clone(), file("out/.wh.file", "")],
                "lies beneath what is no directory",
            ),
            refused(
                "of all through a symbolic link",
                &[out.clone(), file("out/.wh..wh..opq", "")],
                "lies beneath what is no directory",
            ),
            refused(
                "further down",
                &[out, file("out/sub/.wh.file", "")],
                "lies beneath what is no directory",
            ),
            refused(
                "below a file",
                &[file("a", ""), file("a/.wh.b", "")],
                "lies beneath what is no directory",
            ),
            refused(
                "of all below a file",
                &[file("a", ""), file("a/.wh..wh..opq", "")],
                "lies beneath what is no directory",
            ),
            refused("of nothing", &[file("a/.wh.", "")], nameless),
            refused("of the directory", &[file("a/.wh..", "")], nameless),
            refused("of the directory above", &[file("a/.wh...", "")], nameless),
            refused(
                "of all layers below",
                &[file(".wh..wh..opq", "")],
                "would hide all layers below",
            ),
            refused("below a whiteout", &[file(".wh.a/b", "")], "lies beneath what is removed"),
            refused(
                "below an opaque mark",
                &[file(".wh..wh..opq/b", "")],
                "lies beneath what is removed",
            ),
            never(
                "a hard link to what is removed",
                &[dir("d"), link("a", "d/gone")],
                "links to what is not in the archive before it",
            ),
            refused(
                "a hard link to a whiteout",
                &[file(".wh.gone", ""), link("a", "gone")],
                "links to what is removed",
            ),
            refused(
                "a hard link to the mark itself",
                &[file(".wh.gone", ""), link("a", ".wh.gone")],
                "links to what is not in the archive before it",
            ),
            refused(
                "a file below what is removed",
                &[file(".wh.a", ""), file("a/b", "")],
                "lies beneath what is no directory",
            ),
        ]
    });
}
