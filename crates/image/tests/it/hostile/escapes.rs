//! Ways out of the directory.

use super::archive::{dir, file, link, node, symlink};
use super::{check, refused, taken};

#[test]
fn names_that_lead_up_are_refused_and_absolute_ones_stay_inside() {
    let up = "leads out of the tree";
    check(|outside| {
        vec![
            refused("a name that begins with ..", &[file("../escaped", "x")], up),
            refused("a name with .. in it", &[file("a/../../escaped", "x")], up),
            refused("a name with .. that stays inside", &[file("a/../b", "x")], up),
            refused("a name that is ..", &[dir("..")], up),
            refused("a directory that leads up", &[dir("a/../../b")], up),
            refused("an absolute name with ..", &[file("/../escaped", "x")], up),
            taken("an absolute name", &[file("/x", "1")], &[r#"f x "1""#]),
            taken("two slashes", &[file("//x", "1")], &[r#"f x "1""#]),
            taken("more than two dots", &[file("...", "1")], &[r#"f ... "1""#]),
            taken("the separator of another system", &[file("..\\x", "1")], &[r#"f ..\x "1""#]),
            refused(
                "the outside by its name, twice",
                &[file(outside, ""), file(&format!("{outside}/file"), "x")],
                "lies beneath what is no directory",
            ),
        ]
    });
}

#[test]
fn nothing_is_made_beneath_a_symbolic_link() {
    let beneath = "lies beneath what is no directory";
    check(|outside| {
        let out = symlink("out", outside);
        vec![
            refused("a file", &[out.clone(), file("out/file", "x")], beneath),
            refused("a new file", &[out.clone(), file("out/new", "x")], beneath),
            refused("a directory", &[out.clone(), dir("out/dir")], beneath),
            refused("a symbolic link", &[out.clone(), symlink("out/link", "x")], beneath),
            refused("a hard link", &[file("f", ""), out.clone(), link("out/link", "f")], beneath),
            refused("a pipe", &[out.clone(), node(b'6', "out/pipe")], beneath),
            refused("further down", &[out.clone(), file("out/sub/new", "x")], beneath),
            refused("a directory further down", &[out.clone(), dir("out/sub/dir")], beneath),
            refused(
                "through a chain of links",
                &[out.clone(), symlink("b", "out"), symlink("c", "b"), file("c/new", "x")],
                beneath,
            ),
            refused("through a link to itself", &[symlink("a", "a"), file("a/x", "")], beneath),
            refused("through a link upwards", &[symlink("a", ".."), file("a/a/x", "")], beneath),
            refused("through a link to /", &[symlink("a", "/"), file("a/etc/x", "")], beneath),
            refused(
                "through a link that stays inside",
                &[dir("e"), symlink("a", "e"), file("a/x", "")],
                beneath,
            ),
            refused(
                "through a link below",
                &[dir("d"), symlink("d/out", outside), file("d/out/x", "")],
                beneath,
            ),
            refused(
                "through the process's own links",
                &[symlink("a", "/proc/self/root"), file("a/x", "")],
                beneath,
            ),
            refused(
                "a directory of which only a device was left out",
                &[node(b'3', "dev/a/null"), symlink("dev", outside)],
                beneath,
            ),
            taken(
                "links themselves may say anything",
                &[out, symlink("up", "../../..")],
                &[&format!("l out -> {outside}"), "l up -> ../../.."],
            ),
        ]
    });
}

#[test]
fn hard_links_lead_only_to_what_the_archive_brought_before() {
    let nothing = "links to what is not in the archive before it";
    check(|outside| {
        let out = symlink("out", outside);
        vec![
            refused("to a file outside", &[link("in", &format!("{outside}/file"))], nothing),
            refused("to a file of this machine", &[link("in", "/etc/passwd")], nothing),
            refused("upwards", &[link("in", "../outside/file")], "leads out of the tree"),
            refused(
                "through a symbolic link",
                &[out.clone(), link("in", "out/file")],
                "lies beneath what is no directory",
            ),
            refused(
                "through one, further down",
                &[out.clone(), link("in", "out/sub/file")],
                "lies beneath what is no directory",
            ),
            refused("to what is missing", &[link("in", "missing")], nothing),
            refused("to what comes later", &[link("in", "later"), file("later", "")], nothing),
            refused("to nothing", &[link("in", "")], nothing),
            refused("to itself", &[file("in", "x"), link("in", "./in")], "links to itself"),
            refused("to a directory", &[dir("d"), link("in", "d")], "links to a directory"),
            refused(
                "over a directory",
                &[dir("d"), file("f", ""), link("d", "f")],
                "would replace a directory",
            ),
            refused(
                "to a device that was left out",
                &[node(b'3', "dev/null"), link("in", "dev/null")],
                nothing,
            ),
            taken(
                "to a symbolic link is that link",
                &[out, link("in", "out")],
                &[&format!("l in -> {outside}"), &format!("l out -> {outside}")],
            ),
            taken(
                "an absolute target is one of the archive",
                &[file("a", "1"), link("b", "/a")],
                &[r#"f a "1" of 2 names"#, r#"f b "1" of 2 names"#],
            ),
            taken(
                "a file over a second name leaves the first",
                &[file("a", "1"), link("b", "a"), file("b", "2")],
                &[r#"f a "1""#, r#"f b "2""#],
            ),
        ]
    });
}

#[test]
fn devices_are_refused_or_left_out_and_unknown_kinds_are_refused() {
    check(|_| {
        let mut cases = vec![
            refused("a character device", &[node(b'3', "null")], "is a device node"),
            refused("a block device", &[node(b'4', "etc/disk")], "is a device node"),
            refused(
                "a device that would be a whiteout",
                &[node(b'3', "etc/passwd")],
                "is a device node",
            ),
            refused("a device beside dev", &[node(b'3', "device/null")], "is a device node"),
            taken("a device in dev", &[node(b'3', "dev/null")], &["d dev"]),
            taken("a pipe", &[node(b'6', "pipe").mode("600")], &["p pipe 600"]),
            taken("a contiguous file", &[node(b'7', "f")], &[r#"f f """#]),
        ];
        // Sparse files, volumes, dumps, old and vendors' kinds.
        for kind in *b"89ADINSUVXMEZs!" {
            cases.push(refused(
                "another kind",
                &[node(kind, "x")],
                "is of a kind that no layer may hold",
            ));
        }
        cases
    });
}
