//! Archives that are small and would become large, and those that have no end.

use super::archive::{Entry, archive, dir, endless, extension, file, global, long_name, pax};
use crate::support::{names_in, store};
use kiln_image::Limits;
use kiln_names::ByteSize;
use std::io::{self, Read};
use tar::EntryType;

/// The same bytes again and again.
struct Forever {
    bytes: Vec<u8>,
    at: usize,
}

impl Forever {
    fn of(entries: &[Entry]) -> Self {
        Self { bytes: endless(entries), at: 0 }
    }
}

impl Read for Forever {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.at = (self.at + length) % self.bytes.len();
        Ok(length)
    }
}

fn check(limits: Limits, from: impl Read, expected: &str) {
    let (_dir, store) = store();
    let error = store.import_rootfs(from, &limits).unwrap_err().to_string();
    assert!(error.contains(expected), "{expected}: {error}");
    for left in ["staging", "blobs/sha256", "layers"] {
        assert_eq!(names_in(&store.root().join(left)), [""; 0], "{expected}");
    }
}

#[test]
fn each_limit_is_met_by_its_own_archive() {
    let limits = Limits::default();
    let deep = "d/".repeat(20);
    let bytes = archive(&[file(&deep, ""), file("large", "0123456789")]);
    for (limits, expected) in [
        (Limits { entries: 20, ..limits }, "more than 20 entries"),
        (Limits { file: ByteSize(9), ..limits }, "more than 9 bytes in one file"),
        (Limits { total: ByteSize(10_700), ..limits }, "more than 10700 bytes in all"),
        (Limits { depth: 4, ..limits }, "more than 4 directories above an entry"),
        (Limits { path: ByteSize(30), ..limits }, "more than 30 bytes in a path"),
        (Limits { names: ByteSize(400), ..limits }, "more than 400 bytes in all names"),
    ] {
        check(limits, bytes.as_slice(), expected);
    }
}

#[test]
fn archives_without_an_end_are_refused_in_the_end() {
    let few = Limits { entries: 1000, ..Limits::default() };
    let small = Limits { total: ByteSize::mib(4), ..Limits::default() };
    let entries = "more than 1000 entries";
    check(few, Forever::of(&[dir("d")]), entries);
    check(few, Forever::of(&[file("f", "x")]), entries);
    check(few, Forever::of(&[file("dev/null", "").field(156, b"3")]), entries);
    check(few, Forever::of(&[dir("./")]), entries);
    check(small, Forever::of(&[file("f", &"x".repeat(100_000))]), "more than 4194304 bytes in all");
    let headers = "bytes in extended headers";
    check(few, Forever::of(&[global(&[])]), headers);
    check(few, Forever::of(&[pax(&[("comment", &[b'x'; 10_000])])]), headers);
    check(few, Forever::of(&[long_name(b"a\0")]), headers);
    check(
        small,
        Forever::of(&[extension(EntryType::XGlobalHeader, &[0; 500_000]), dir("d")]),
        "bytes in all headers",
    );
}

#[test]
fn directories_that_are_only_implied_count_as_well() {
    let paths: Vec<String> = (0..30).map(|n| format!("{n}/{}x", "d/".repeat(30))).collect();
    let entries: Vec<Entry> = paths.iter().map(|path| file(path, "")).collect();
    let bytes = archive(&entries);
    check(Limits { entries: 500, ..Limits::default() }, bytes.as_slice(), "more than 500 entries");
    let names = Limits { names: ByteSize(20_000), ..Limits::default() };
    check(names, bytes.as_slice(), "more than 20000 bytes in all names");
}

#[test]
fn attributes_without_number_do_not_gather_in_memory() {
    let xattr = |n: usize| {
        let key = format!("SCHILY.xattr.user.{n}");
        pax(&[(&key, &[b'x'; 1000])])
    };
    let many: Vec<Entry> = (0..1100).map(xattr).chain([file("a", "")]).collect();
    check(Limits::default(), archive(&many).as_slice(), "bytes in extended headers");
    let kept: Vec<Entry> = (0..100).flat_map(|n| [xattr(n), dir(&format!("d{n}"))]).collect();
    let names = Limits { names: ByteSize(50_000), ..Limits::default() };
    check(names, archive(&kept).as_slice(), "bytes in all names and attributes");
}
