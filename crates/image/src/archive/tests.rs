//! Members written and read back, and archives that are not what they say.

use super::*;
use crate::error::LayerError;
use crate::limits::Limits;
use kiln_names::ByteSize;
use std::io::Read as _;

fn file(path: &str, size: u64) -> Member {
    let meta = Meta { mode: 0o4755, uid: 1000, gid: 50, mtime: 1_600_000_000, ..Meta::default() };
    Member { path: path.into(), kind: Kind::File { size }, meta }
}

fn written(members: &[(Member, &str)]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for (member, content) in members {
        tar.member(member).unwrap();
        tar.content(&mut content.as_bytes(), content.len() as u64).unwrap();
    }
    tar.finish().unwrap()
}

/// What goes in comes out.
fn check(member: Member) {
    let bytes = written(&[(member.clone(), ""), (file("next", 5), "hello")]);
    assert_eq!(bytes.len() % 512, 0);
    let mut reader = TarReader::new(bytes.as_slice(), Limits::default());
    let mut read = reader.next().unwrap().unwrap();
    if read.kind == Kind::Directory {
        assert_eq!(read.path.pop(), Some(b'/'));
    }
    assert_eq!(read, member);
    assert_eq!(reader.next().unwrap().unwrap(), file("next", 5));
    let mut content = String::new();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "hello");
    assert_eq!(reader.next().unwrap(), None);
}

#[test]
fn every_kind_of_member_reads_back() {
    let target = b"../else\xff".to_vec();
    check(file("empty", 0));
    for kind in [
        Kind::Directory,
        Kind::Fifo,
        Kind::Symlink { target: target.clone() },
        Kind::HardLink { target },
    ] {
        check(Member { kind, ..file("etc/thing", 0) });
    }
}

#[test]
fn what_a_short_header_cannot_say_reads_back() {
    let long = "d/".repeat(200);
    check(file(&"x".repeat(100), 0));
    check(file(&long[..101], 0));
    check(Member { kind: Kind::Symlink { target: long.clone().into() }, ..file("a", 0) });
    check(Member { kind: Kind::Directory, ..file(&long[..99], 0) });
    check(Member { kind: Kind::Directory, ..file(&"d".repeat(100), 0) });
    let mut odd = file("a", 0);
    odd.meta.uid = u32::MAX - 1;
    odd.meta.gid = 3_000_000;
    odd.meta.mtime = -5;
    odd.meta.xattrs.insert(b"user.b".into(), b"\n1=\0".into());
    odd.meta.xattrs.insert(b"user.a".into(), b"".into());
    check(odd);
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let mut odd = file("a", 3);
    odd.meta.xattrs.insert(b"user.b".into(), b"1".into());
    let bytes = written(&[(odd, "abc"), (file("b", 600), &"x".repeat(600))]);
    // The end mark is two blocks, of which one is enough.
    for length in 0..bytes.len() - 1024 {
        let mut reader = TarReader::new(&bytes[..length], Limits::default());
        let error = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{length} bytes of {} pass as whole", bytes.len()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LayerError::Archive(_)), "{error}");
    }
}

#[test]
fn a_changed_header_is_refused() {
    let mut bytes = written(&[(file("a", 0), "")]);
    bytes[0] ^= 1;
    let error = TarReader::new(bytes.as_slice(), Limits::default()).next().unwrap_err();
    assert_eq!(error.to_string(), "not a whole tar archive: a header has a wrong checksum");
}

#[test]
fn an_extended_header_beyond_its_limit_is_refused_before_it_is_read() {
    let mut large = file("a", 0);
    large.meta.xattrs.insert(b"user.b".into(), vec![0; 5000]);
    let bytes = written(&[(large, "")]);
    let limits = Limits { attributes: ByteSize(4096), ..Limits::default() };
    let error = TarReader::new(bytes.as_slice(), limits).next().unwrap_err();
    assert!(error.to_string().contains("more than 4096 bytes in extended headers"), "{error}");
}
