//! Lines, pieces, rotation and full disks.

use super::*;
use crate::record::log_files;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

fn read(path: &Path) -> Vec<(String, String)> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    text.lines()
        .map(|line| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.ends_with('Z') && time.len() == 30, "{time}");
            let (stream, rest) = rest.split_once(' ').unwrap();
            (stream.to_owned(), rest.to_owned())
        })
        .collect()
}

fn lines(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(stream, text)| ((*stream).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn lines_are_whole_however_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path()).unwrap();
    let now = Timestamp::now();
    log.take(Stream::Stdout, b"one\ntw", now);
    log.take(Stream::Stderr, b"oh\n", now);
    log.take(Stream::Stdout, b"o\n\nthr", now);
    log.finish(now);
    let expected = [
        ("stdout", "F one"),
        ("stderr", "F oh"),
        ("stdout", "F two"),
        ("stdout", "F "),
        ("stdout", "F thr"),
    ];
    assert_eq!(read(&dir.path().join("log")), lines(&expected));
}

#[test]
fn a_line_beyond_64_kib_is_cut_into_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path()).unwrap();
    let long = "x".repeat(2 * MAX_LINE + 5) + "\n";
    log.take(Stream::Stdout, long.as_bytes(), Timestamp::now());
    let read = read(&dir.path().join("log"));
    let shapes: Vec<_> = read.iter().map(|(_, rest)| (&rest[..1], rest.len() - 2)).collect();
    assert_eq!(shapes, [("P", MAX_LINE), ("P", MAX_LINE), ("F", 5)]);
}

#[test]
fn full_files_are_put_aside_and_the_oldest_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::with_max_file(dir.path(), 100).unwrap();
    for number in 0..40 {
        let line = format!("{number:020}\n");
        log.take(Stream::Stdout, line.as_bytes(), Timestamp::now());
    }
    let files = log_files(dir.path());
    assert_eq!(files.len(), 5);
    let all: Vec<u32> =
        files.iter().flat_map(|file| read(file)).map(|(_, it)| it[2..].parse().unwrap()).collect();
    let kept: Vec<u32> = (40 - u32::try_from(all.len()).unwrap()..40).collect();
    assert_eq!(all, kept, "what is kept is the end, in order");
}

#[test]
fn a_full_disk_drops_whole_lines_and_says_how_many() {
    let dir = tempfile::tempdir().unwrap();
    mount("small", dir.path(), "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
    let mut log = Log::open(dir.path()).unwrap();
    let now = Timestamp::now();
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![0; 56 << 10]).unwrap();
    log.take(Stream::Stdout, "kept\n".as_bytes(), now);
    log.take(Stream::Stdout, "lost\n".repeat(400).as_bytes(), now);
    std::fs::remove_file(&ballast).unwrap();
    log.take(Stream::Stdout, b"back\n", now);
    let found = read(&dir.path().join("log"));
    drop(log);
    unmount(dir.path(), UnmountFlags::empty()).unwrap();
    let missing = "F [kiln: 400 lines are missing, the disk was full]";
    let expected = [("stdout", "F kept"), ("stderr", missing), ("stdout", "F back")];
    assert_eq!(found, lines(&expected));
}
