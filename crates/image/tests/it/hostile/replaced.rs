//! Names that stand twice.

use super::archive::{dir, file, link, node, symlink};
use super::{check, refused, taken};

#[test]
fn what_comes_later_replaces_what_came_before_but_no_directory() {
    let directory = "would replace a directory";
    check(|outside| {
        vec![
            taken("a file twice", &[file("a", "first, longer"), file("a", "2")], &[r#"f a "2""#]),
            taken("a directory twice", &[dir("a").mode("700"), dir("a").mode("711")], &["d a 711"]),
            taken(
                "a directory again keeps what is in it",
                &[file("a/x", "1"), dir("a").mode("700")],
                &["d a 700", r#"f a/x "1""#],
            ),
            taken(
                "a directory for a file",
                &[file("a", "1"), dir("a"), file("a/x", "2")],
                &["d a", r#"f a/x "2""#],
            ),
            taken(
                "a directory for a symbolic link",
                &[symlink("a", outside), dir("a"), file("a/file", "2")],
                &["d a", r#"f a/file "2""#],
            ),
            taken(
                "a file for a symbolic link",
                &[symlink("a", outside), file("a", "2")],
                &[r#"f a "2""#],
            ),
            taken(
                "a symbolic link for a file",
                &[file("a", "1"), symlink("a", "b")],
                &["l a -> b"],
            ),
            taken(
                "a symbolic link for another",
                &[symlink("a", outside), symlink("a", "b")],
                &["l a -> b"],
            ),
            taken(
                "a pipe for a symbolic link",
                &[symlink("a", outside), node(b'6', "a")],
                &["p a"],
            ),
            refused("a file for a directory", &[dir("a"), file("a", "1")], directory),
            refused(
                "a symbolic link for a directory",
                &[dir("a"), symlink("a", outside)],
                directory,
            ),
            refused(
                "a symbolic link for one that was implied",
                &[file("a/x", ""), symlink("a", outside)],
                directory,
            ),
            refused("a pipe for a directory", &[dir("a"), node(b'6', "a")], directory),
            refused(
                "a link, a directory, and the link again",
                &[symlink("a", outside), dir("a"), symlink("a", outside), file("a/x", "")],
                directory,
            ),
            refused(
                "a file, with a file below it",
                &[file("a", ""), file("a/b", "")],
                "lies beneath what is no directory",
            ),
            taken(
                "the second name of a file, replaced through neither",
                &[file("a", "1"), link("b", "a"), symlink("a", outside), file("a", "3")],
                &[r#"f a "3""#, r#"f b "1""#],
            ),
        ]
    });
}
