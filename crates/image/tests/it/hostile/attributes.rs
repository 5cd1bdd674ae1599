//! Modes, owners, times and extended attributes.

use super::archive::{archive, dir, file, link, pax, symlink};
use super::{check, refused, taken};
use crate::support::store;
use kiln_image::Limits;
use std::os::unix::fs::MetadataExt as _;

#[test]
fn modes_are_kept_with_their_special_bits_and_nothing_else() {
    check(|_| {
        vec![
            taken(
                "set-user-id and set-group-id",
                &[file("su", "").mode("6755")],
                &[r#"f su "" 6755"#],
            ),
            taken("sticky", &[dir("tmp").mode("1777")], &["d tmp 1777"]),
            taken("bits of the kind of file", &[file("a", "").mode("120777")], &[r#"f a "" 777"#]),
            taken(
                "no bits",
                &[dir("a").mode("0"), file("a/b", "").mode("0")],
                &["d a 0", r#"f a/b "" 0"#],
            ),
            taken(
                "a group that is inherited",
                &[dir("a").mode("2755").field(116, b"0000062\0"), file("a/b", "")],
                &["d a 2755 0:50", r#"f a/b """#],
            ),
            refused(
                "no number",
                &[file("a", "").field(100, b"zzzzzzz\0")],
                "has malformed numbers in its header",
            ),
            refused(
                "a negative number",
                &[file("a", "").field(100, b"-000644\0")],
                "has malformed numbers",
            ),
        ]
    });
}

#[test]
fn owners_beyond_those_there_are_are_refused() {
    let malformed = "has malformed numbers in its header";
    let pax_number = "is not a number a pax record may hold";
    check(|_| {
        vec![
            taken(
                "the last one there is",
                &[pax(&[("uid", b"4294967294"), ("gid", b"4294967294")]), file("a", "")],
                &[r#"f a "" 4294967294:4294967294"#],
            ),
            taken(
                "in base 256",
                &[file("a", "").field(108, b"\x80\0\0\0\0\x01\0\0")],
                &[r#"f a "" 65536:0"#],
            ),
            taken(
                "an empty record changes nothing",
                &[pax(&[("uid", b"")]), file("a", "")],
                &[r#"f a """#],
            ),
            refused(
                "the one that means nobody",
                &[pax(&[("uid", b"4294967295")]), file("a", "")],
                malformed,
            ),
            refused(
                "one beyond 32 bits",
                &[pax(&[("gid", b"4294967296")]), file("a", "")],
                malformed,
            ),
            refused(
                "one beyond 64 bits",
                &[pax(&[("uid", b"99999999999999999999")]), file("a", "")],
                pax_number,
            ),
            refused("a negative one", &[pax(&[("uid", b"-1")]), file("a", "")], pax_number),
            refused("one with a sign", &[pax(&[("uid", b"+1")]), file("a", "")], pax_number),
            refused("a name", &[pax(&[("uid", b"root")]), file("a", "")], pax_number),
            refused(
                "a negative one in base 256",
                &[file("a", "").field(108, &[0xff; 8])],
                malformed,
            ),
            refused("letters", &[file("a", "").field(108, b"root\0\0\0\0")], malformed),
        ]
    });
}

#[test]
fn times_beyond_what_a_file_system_keeps_become_the_nearest_that_it_does() {
    let (_dir, store) = store();
    let (first, last) = (-(1_i64 << 31), (1_i64 << 34) - (1 << 31) - 1);
    for (said, expected) in [
        ("0", 0),
        ("-1", -1),
        ("-0.5", -1),
        ("-1.000", -1),
        ("1.999999999", 1),
        // The year 1, as written by those who know no time.
        ("-62135596800", first),
        ("99999999999999", last),
        ("9223372036854775807", last),
        ("-9223372036854775808.5", first),
    ] {
        let bytes = archive(&[pax(&[("mtime", said.as_bytes())]), file("a", "")]);
        let layer = store.import_rootfs(bytes.as_slice(), &Limits::default()).unwrap();
        let found = store.layer_dir(&layer.diff_id).unwrap().join("a").metadata().unwrap();
        assert_eq!(found.mtime(), expected, "{said}");
    }
    check(|_| {
        vec![
            taken(
                "the earliest of a header",
                &[file("a", "").field(136, &[0xff; 12])],
                &[r#"f a """#],
            ),
            taken(
                "the last of a header",
                &[file("a", "").field(136, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")],
                &[r#"f a """#],
            ),
            refused(
                "no time",
                &[pax(&[("mtime", b"now")]), file("a", "")],
                "is not a number a pax record may hold",
            ),
            refused(
                "a fraction of letters",
                &[pax(&[("mtime", b"1.x")]), file("a", "")],
                "is not a time a pax record may hold",
            ),
            refused("two points", &[pax(&[("mtime", b"1.2.3")]), file("a", "")], "is not a time"),
            refused("an exponent", &[pax(&[("mtime", b"1e9")]), file("a", "")], "is not a number"),
        ]
    });
}

/// One extended attribute.
fn xattr<'v>(name: &'v str, value: &'v [u8]) -> super::Entry {
    let key = format!("SCHILY.xattr.{name}");
    pax(&[(&key, value)])
}

/// Capabilities of a program as the kernel keeps them: `cap_net_bind_service=ep`.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn attributes_of_a_layer_are_kept_and_those_of_a_machine_or_of_overlayfs_are_not() {
    check(|_| {
        let dropped = |name| taken("dropped", &[xattr(name, b"y"), dir("a")], &["d a"]);
        vec![
            taken(
                "a user's",
                &[xattr("user.note", b"1"), file("a", "")],
                &[r#"f a "" user.note="1""#],
            ),
            taken(
                "an empty one",
                &[xattr("user.note", b""), file("a", "")],
                &[r#"f a "" user.note="""#],
            ),
            taken(
                "capabilities, behind a change of owner",
                &[
                    xattr("security.capability", CAPABILITY),
                    file("a", "").mode("755").field(108, b"0000001\0"),
                ],
                &[
                    r#"f a "" 755 1:0 security.capability="\u{1}\0\0\u{2}\0\u{4}\0\0\0\0\0\0\0\0\0\0\0\0\0\0""#,
                ],
            ),
            dropped("trusted.overlay.opaque"),
            dropped("trusted.overlay.redirect"),
            dropped("trusted.overlay.metacopy"),
            dropped("user.overlay.opaque"),
            dropped("user.overlay.whiteout"),
            dropped("trusted.note"),
            dropped("security.selinux"),
            dropped("security.ima"),
            dropped("security.evm"),
            dropped("system.nfs4_acl"),
            dropped(""),
            dropped("overlay.opaque"),
            taken(
                "in the words of another archiver",
                &[
                    pax(&[
                        ("LIBARCHIVE.xattr.trusted.overlay.opaque", b"eQ=="),
                        ("SCHILY.acl.access", b"user::rwx"),
                    ]),
                    dir("a"),
                ],
                &["d a"],
            ),
            taken(
                "of a symbolic link",
                &[xattr("user.note", b"1"), symlink("a", "b")],
                &["l a -> b"],
            ),
            taken(
                "of a hard link",
                &[file("a", ""), xattr("user.note", b"1"), link("b", "a")],
                &[r#"f a "" of 2 names"#, r#"f b "" of 2 names"#],
            ),
            taken(
                "of the root",
                &[
                    xattr("user.note", b"1"),
                    dir("./").mode("777").field(108, b"0000001\0"),
                    file("a", ""),
                ],
                &[r#"f a """#],
            ),
        ]
    });
}

#[test]
fn attributes_that_the_kernel_would_not_take_are_refused() {
    check(|_| {
        vec![
            refused(
                "capabilities that are none",
                &[xattr("security.capability", b"x"), file("a", "")],
                "\"a\"",
            ),
            refused(
                "an access list that is none",
                &[xattr("system.posix_acl_access", b"x"), file("a", "")],
                "\"a\"",
            ),
            refused("a name of its class alone", &[xattr("user.", b"x"), file("a", "")], "\"a\""),
            refused("a name with a zero byte", &[xattr("user.a\0b", b"x"), file("a", "")], "\"a\""),
            refused(
                "too long a name",
                &[xattr(&format!("user.{}", "n".repeat(300)), b"x"), file("a", "")],
                "\"a\"",
            ),
            refused(
                "too long a value",
                &[xattr("user.a", &vec![b'x'; 100_000]), file("a", "")],
                "\"a\"",
            ),
        ]
    });
}
