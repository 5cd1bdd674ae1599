//! Headers that lie, contradict one another, or describe what is not there.

use super::archive::{Entry, dir, extension, file, global, long_name, long_target, pax, symlink};
use super::{Expected, check, refused, taken};
use tar::EntryType;

/// Sizes stand here in a header.
const SIZE: usize = 124;

#[test]
fn a_size_that_is_not_that_of_the_content_is_found_out() {
    let malformed = "a size is malformed";
    check(|_| {
        vec![
            taken(
                "more than there is, so that the next header is content",
                &[file("a", "").says(1), file("b", ""), file("c", "")],
                &[r#"f a "b""#, r#"f c """#],
            ),
            refused(
                "more than there is",
                &[file("a", "x").says(1 << 20)],
                "unexpected end of file",
            ),
            refused(
                "more than there is, of what is skipped",
                &[file("a", "").says(1 << 20).field(156, b"6"), file("b", "x").says(9999)],
                "unexpected end of file",
            ),
            refused(
                "less than there is",
                &[file("a", &"x".repeat(1024)).says(1), file("b", "")],
                "wrong checksum",
            ),
            refused(
                "as much as digits say",
                &[file("a", "").field(SIZE, b"77777777777\0")],
                "unexpected end of file",
            ),
            refused(
                "8 GiB, in base 256",
                &[file("a", "").field(SIZE, b"\x80\0\0\0\0\0\0\x02\0\0\0\0")],
                "bytes in one file",
            ),
            refused(
                "the most there is",
                &[file("a", "").field(SIZE, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")],
                "bytes in one file",
            ),
            refused("a negative one", &[file("a", "").field(SIZE, &[0xff; 12])], malformed),
            refused("with a sign", &[file("a", "").field(SIZE, b"-0000000001\0")], malformed),
            refused("no number", &[file("a", "").field(SIZE, b"12x00000000\0")], malformed),
        ]
    });
}

#[test]
fn a_size_is_stated_once_and_only_files_have_content() {
    check(|_| {
        vec![
            refused(
                "of a header that describes another",
                &[pax(&[("path", b"b")]).says(1 << 40), file("a", "")],
                "bytes in extended headers",
            ),
            refused(
                "another one in a pax record",
                &[pax(&[("size", b"1")]), file("a", "")],
                "has two sizes",
            ),
            refused(
                "a larger one in a pax record",
                &[pax(&[("size", b"10000000000")]), file("a", "x")],
                "has two sizes",
            ),
            refused(
                "a negative one in a pax record",
                &[pax(&[("size", b"-1")]), file("a", "")],
                "is not a number a pax record may hold",
            ),
            taken(
                "the same in a pax record",
                &[pax(&[("size", b"1")]), file("a", "x")],
                &[r#"f a "x""#],
            ),
            taken(
                "small, in base 256",
                &[file("a", "x").field(SIZE, b"\x80\0\0\0\0\0\0\0\0\0\0\x01")],
                &[r#"f a "x""#],
            ),
            taken(
                "of a directory, as some archivers have it",
                &[dir("a").says(4096), file("b", "")],
                &["d a", r#"f b """#],
            ),
            taken("of a link", &[symlink("a", "b").says(7)], &["l a -> b"]),
            refused(
                "a directory of old with content",
                &[file("a/", "x")],
                "is a directory with content",
            ),
        ]
    });
}

#[test]
fn sparse_files_are_refused() {
    let sparse = "sparse files are not supported";
    check(|_| {
        vec![
            refused(
                "of GNU",
                &[extension(EntryType::GNUSparse, b"")],
                "is of a kind that no layer may hold",
            ),
            refused(
                "of pax 1.0",
                &[pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]), file("a", "")],
                sparse,
            ),
            refused("of pax 0.1", &[pax(&[("GNU.sparse.map", b"0,1")]), file("a", "")], sparse),
            refused(
                "of pax 0.0",
                &[pax(&[("GNU.sparse.size", b"99999999999")]), file("a", "")],
                sparse,
            ),
            refused(
                "by its name alone",
                &[pax(&[("GNU.sparse.name", b"../x")]), file("a", "")],
                sparse,
            ),
        ]
    });
}

#[test]
fn pax_records_are_read_strictly() {
    let malformed = "a pax record is malformed";
    let raw = |bytes: &[u8]| extension(EntryType::XHeader, bytes);
    check(|_| {
        vec![
            taken(
                "the later of two",
                &[pax(&[("path", b"b"), ("path", b"c")]), file("a", "")],
                &[r#"f c """#],
            ),
            taken(
                "the later of two headers",
                &[pax(&[("path", b"b")]), pax(&[("path", b"c")]), file("a", "")],
                &[r#"f c """#],
            ),
            taken(
                "unknown keys",
                &[pax(&[("comment", b"x"), ("atime", b"x"), ("", b"x")]), file("a", "")],
                &[r#"f a """#],
            ),
            taken(
                "an empty path leaves the header's",
                &[pax(&[("path", b"")]), file("a", "")],
                &[r#"f a """#],
            ),
            taken(
                "a line end in a path",
                &[pax(&[("path", b"a\nb")]), file("a", "")],
                &["f a\nb \"\""],
            ),
            refused(
                "a path that leads up",
                &[pax(&[("path", b"../x")]), file("a", "")],
                "leads out of the tree",
            ),
            refused(
                "a path with a zero byte",
                &[pax(&[("path", b"a\0b")]), file("a", "")],
                "holds a zero byte",
            ),
            refused(
                "a hard link that leads up",
                &[pax(&[("linkpath", b"../x")]), Entry::new(EntryType::Link, b"a", b"", b"")],
                "leads out of the tree",
            ),
            refused(
                "a symbolic link with a zero byte",
                &[pax(&[("linkpath", b"a\0b")]), symlink("a", "")],
                "\"a\"",
            ),
            refused("a length beyond the block", &[raw(b"99 path=a\n"), file("a", "")], malformed),
            refused("a length of nothing", &[raw(b"0 path=a\n"), file("a", "")], malformed),
            refused("a length that cuts", &[raw(b"5 path=a\n"), file("a", "")], malformed),
            refused("a length with a sign", &[raw(b"+10 path=a\n"), file("a", "")], malformed),
            refused(
                "a length beyond 64 bits",
                &[raw(b"99999999999999999999 path=a\n"), file("a", "")],
                malformed,
            ),
            refused("a record without a value", &[raw(b"7 path\n"), file("a", "")], malformed),
            refused(
                "zero bytes behind the last",
                &[raw(b"10 path=a\n\0\0"), file("a", "")],
                malformed,
            ),
            refused("for nothing", &[pax(&[("path", b"a")])], "it ends where a file was announced"),
        ]
    });
}

#[test]
fn what_is_said_of_all_files_is_said_of_none() {
    check(|outside| {
        vec![
            taken(
                "a path, an owner, attributes",
                &[
                    global(&[
                        ("path", b"../x"),
                        ("uid", b"7"),
                        ("size", b"999"),
                        ("SCHILY.xattr.user.a", b"1"),
                    ]),
                    file("a", "x"),
                ],
                &[r#"f a "x""#],
            ),
            taken(
                "a target",
                &[global(&[("linkpath", outside.as_bytes())]), symlink("a", "b")],
                &["l a -> b"],
            ),
            taken(
                "what is no record",
                &[extension(EntryType::XGlobalHeader, b"\0\0\0"), file("a", "")],
                &[r#"f a """#],
            ),
            taken(
                "and nothing else, as of an empty commit",
                &[global(&[("comment", b"0123")])],
                &[],
            ),
        ]
    });
}

#[test]
fn long_names_of_gnu_are_names_like_others() {
    let long = "l".repeat(200);
    check(|_| {
        vec![
            taken(
                "a long one",
                &[long_name(format!("{long}\0").as_bytes()), file("a", "")],
                &[&format!(r#"f {long} """#)],
            ),
            taken("one without its end", &[long_name(b"b"), file("a", "")], &[r#"f b """#]),
            taken(
                "one with more behind its end",
                &[long_name(b"b\0/../../x"), file("a", "")],
                &[r#"f b """#],
            ),
            taken("two", &[long_name(b"b\0"), long_name(b"c\0"), file("a", "")], &[r#"f c """#]),
            taken(
                "a name and a target",
                &[long_target(b"t\0"), long_name(b"b\0"), symlink("a", "x")],
                &["l b -> t"],
            ),
            refused(
                "one that leads up",
                &[long_name(b"a/../../x\0"), file("a", "")],
                "leads out of the tree",
            ),
            refused(
                "a target that leads up",
                &[long_target(b"../x\0"), Entry::new(EntryType::Link, b"a", b"", b"")],
                "leads out of the tree",
            ),
            refused("an empty one", &[long_name(b"\0"), file("a", "")], "has no name"),
            refused("one for nothing", &[long_name(b"b\0")], "it ends where a file was announced"),
            refused(
                "a mebibyte and more",
                &[long_name(&vec![b'a'; (1 << 20) + 1]), file("a", "")],
                "more than 1048576 bytes in extended headers",
            ),
            refused(
                "a mebibyte in pieces",
                &vec![long_name(b"b\0"); 2049],
                "more than 1048576 bytes in extended headers",
            ),
        ]
    });
}

#[test]
fn a_header_with_a_wrong_sum_is_refused() {
    let mut bytes = super::archive::archive(&[file("a", "")]);
    bytes[0] = b'b';
    check(|_| {
        let wrong = Expected::Refused("a header has a wrong checksum");
        vec![
            super::bytes("a changed byte", bytes, wrong.clone()),
            super::bytes("no tar at all", vec![b'x'; 2048], wrong.clone()),
            super::bytes("a compressed one", [&b"\x1f\x8b\x08"[..], &[7; 2048]].concat(), wrong),
        ]
    });
}
