//! Archives that end too early, too late, or never.

use super::archive::{archive, dir, endless, file};
use super::{Expected, bytes, check, expected};
use crate::support::{names_in, store};
use kiln_image::Limits;

#[test]
fn an_archive_ends_with_its_mark() {
    let whole = archive(&[file("a", "x"), dir("d")]);
    let without = endless(&[file("a", "x"), dir("d")]);
    let one = [without.clone(), vec![0; 512]].concat();
    let no_mark = Expected::Refused("it ends without an end mark");
    let tree = expected(&[r#"f a "x""#, "d d"]);
    check(|_| {
        vec![
            bytes("nothing at all", Vec::new(), no_mark.clone()),
            bytes("no mark", without.clone(), no_mark.clone()),
            bytes("half of a mark's block", [without, vec![0; 100]].concat(), no_mark.clone()),
            bytes("a mark and nothing else", vec![0; 1024], expected(&[])),
            bytes("one block of the two", one, tree.clone()),
            bytes("within a header", whole[..100].to_vec(), no_mark),
            bytes(
                "within a file",
                whole[..512].to_vec(),
                Expected::Refused("unexpected end of file"),
            ),
            bytes(
                "within the filling of a file",
                whole[..600].to_vec(),
                Expected::Refused("it ends within a file"),
            ),
            bytes("more behind the mark", [whole.clone(), vec![b'x'; 5000]].concat(), tree.clone()),
            bytes(
                "another archive behind the mark",
                [whole, archive(&[file("../x", "")])].concat(),
                tree,
            ),
        ]
    });
}

#[test]
fn an_archive_cut_anywhere_leaves_nothing() {
    let (_dir, store) = store();
    let whole = archive(&[file("a", &"x".repeat(700)), dir("d"), file("d/b", "y")]);
    for length in (0..whole.len() - 1024).step_by(97) {
        store.import_rootfs(&whole[..length], &Limits::default()).unwrap_err();
        assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    }
    assert_eq!(names_in(&store.root().join("blobs/sha256")), [""; 0]);
}
