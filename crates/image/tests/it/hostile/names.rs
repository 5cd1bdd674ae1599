//! Names that file systems and people stumble over.

use super::archive::{Entry, dir, file, long_name, symlink};
use super::{check, refused, taken};
use tar::EntryType;

#[test]
fn names_are_bytes_and_kept_as_they_are() {
    check(|_| {
        vec![
            taken(
                "not UTF-8",
                &[Entry::new(EntryType::Regular, b"\xff\xfe", b"", b"x")],
                &["f \u{fffd}\u{fffd} \"x\""],
            ),
            taken(
                "a line end and an escape",
                &[file("a\nb\x1b[31m", "")],
                &["f a\nb\x1b[31m \"\""],
            ),
            taken("signs of a shell", &[file("$(reboot);*", "")], &[r#"f $(reboot);* """#]),
            taken("a name like an option", &[file("-rf", "")], &[r#"f -rf """#]),
            taken(
                "two ways to write one letter",
                &[file("\u{e9}", "1"), file("e\u{301}", "2")],
                &["f e\u{301} \"2\"", "f \u{e9} \"1\""],
            ),
            taken(
                "names that differ by case",
                &[file("a", "1"), file("A", "2")],
                &[r#"f A "2""#, r#"f a "1""#],
            ),
            taken(
                "a target that is not UTF-8",
                &[Entry::new(EntryType::Symlink, b"a", b"\xff", b"")],
                &["l a -> \u{fffd}"],
            ),
        ]
    });
}

#[test]
fn names_that_mean_the_same_are_the_same() {
    check(|_| {
        vec![
            taken(
                "slashes and dots",
                &[file("a/b", "1"), file("./a//b", "2"), file("/a/./b", "3")],
                &["d a", r#"f a/b "3""#],
            ),
            taken("a slash behind a link", &[symlink("a/", "b")], &["l a -> b"]),
            taken(
                "the root in every way",
                &[dir("."), dir("./"), dir("/"), dir("//"), file("a", "")],
                &[r#"f a """#],
            ),
            refused("a file that is the root", &[file(".", "x")], "has no name"),
            refused("a file of no name", &[file("", "x")], "has no name"),
            refused("a link that is the root", &[symlink("./", "/etc")], "has no name"),
        ]
    });
}

#[test]
fn names_too_long_or_too_deep_are_refused() {
    let long = "n".repeat(256);
    let many = "dir/".repeat(1100);
    let deep = format!("{}x", "d/".repeat(129));
    let fits = format!("{}x", "d/".repeat(3));
    check(|_| {
        vec![
            taken(
                "as long as a name can be",
                &[long_name("n".repeat(255).as_bytes()), file("a", "")],
                &[&format!(r#"f {} """#, "n".repeat(255))],
            ),
            refused(
                "one letter more",
                &[long_name(long.as_bytes()), file("a", "")],
                "has too long a name",
            ),
            refused(
                "a directory of that name",
                &[long_name(format!("{long}/x").as_bytes()), file("a", "")],
                "has too long a name",
            ),
            refused(
                "a path beyond the kernel's",
                &[long_name(many.as_bytes()), file("a", "")],
                "more than 128 directories above an entry",
            ),
            refused(
                "a path of few names",
                &[long_name(vec!["n".repeat(255); 17].join("/").as_bytes()), file("a", "")],
                "more than 4095 bytes in a path",
            ),
            refused(
                "deeper than is walked",
                &[long_name(deep.as_bytes()), file("a", "")],
                "more than 128 directories above an entry",
            ),
            taken(
                "three deep",
                &[file(&fits, "")],
                &["d d", "d d/d", "d d/d/d", r#"f d/d/d/x """#],
            ),
            refused(
                "a target beyond the kernel's",
                &[super::archive::long_target(&[b'a'; 5000]), symlink("a", "")],
                "has too long a name",
            ),
            refused("a target of nothing", &[symlink("a", "")], "\"a\""),
        ]
    });
}
