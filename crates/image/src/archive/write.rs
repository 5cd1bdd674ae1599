//! Writing archives so that equal members give equal bytes.
//!
//! Headers are ustar. What a ustar header cannot say (long paths, large ids, early times, extended
//! attributes) goes into a pax header ahead of it, its records sorted by key.

use super::{Kind, Member, padding, pax};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use tar::{EntryType, Header};

/// What eight octal digits and their end hold.
const MAX_ID: u32 = 0o7_777_777;
/// What twelve octal digits and their end hold.
const MAX_TIME: i64 = 0o77_777_777_777;

/// Writes one archive.
#[derive(Debug)]
pub struct TarWriter<W> {
    to: W,
}

impl<W: Write> TarWriter<W> {
    /// Writes there.
    pub fn new(to: W) -> Self {
        Self { to }
    }

    /// Writes the headers of `member`; a file's content must follow.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn member(&mut self, member: &Member) -> io::Result<()> {
        let records = pax_records(member);
        if !records.is_empty() {
            let mut block = Vec::new();
            for (key, value) in &records {
                pax::append(&mut block, key, value);
            }
            self.to.write_all(pax_header(block.len() as u64).as_bytes())?;
            self.content(&mut block.as_slice(), block.len() as u64)?;
        }
        self.to.write_all(header(member).as_bytes())
    }

    /// Writes exactly `size` bytes `from` there and fills the last block.
    ///
    /// # Errors
    /// Those of either side, and when there are fewer.
    pub fn content(&mut self, from: &mut impl Read, size: u64) -> io::Result<()> {
        if io::copy(&mut from.take(size), &mut self.to)? != size {
            return Err(io::Error::other("the file shrank while it was read"));
        }
        io::copy(&mut io::repeat(0).take(padding(size)), &mut self.to).map(drop)
    }

    /// Writes the end of the archive.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 1024])?;
        self.to.flush()?;
        Ok(self.to)
    }
}

fn header(member: &Member) -> Header {
    let mut header = Header::new_ustar();
    let (kind, target, size) = match &member.kind {
        Kind::Directory => (EntryType::Directory, &[][..], 0),
        Kind::File { size } => (EntryType::Regular, &[][..], *size),
        Kind::Symlink { target } => (EntryType::Symlink, target.as_slice(), 0),
        Kind::HardLink { target } => (EntryType::Link, target.as_slice(), 0),
        Kind::Fifo => (EntryType::Fifo, &[][..], 0),
        Kind::Device => unreachable!("device nodes are refused before they are written"),
    };
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(member.meta.mode);
    header.set_uid(member.meta.uid.min(MAX_ID).into());
    header.set_gid(member.meta.gid.min(MAX_ID).into());
    header.set_mtime(member.meta.mtime.clamp(0, MAX_TIME).cast_unsigned());
    let fields = header.as_ustar_mut().expect("it was made as ustar");
    fill(&mut fields.name, &archive_path(member));
    fill(&mut fields.linkname, target);
    header.set_cksum();
    header
}

fn pax_header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    let fields = header.as_ustar_mut().expect("it was made as ustar");
    fill(&mut fields.name, b"PaxHeaders/next");
    header.set_cksum();
    header
}

/// What the ustar header of `member` cannot say.
fn pax_records(member: &Member) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut add = |key: &[u8], value: Vec<u8>| records.insert(key.to_vec(), value);
    let path = archive_path(member);
    if path.len() > 100 {
        add(b"path", path);
    }
    if let Kind::Symlink { target } | Kind::HardLink { target } = &member.kind
        && target.len() > 100
    {
        add(b"linkpath", target.clone());
    }
    let meta = &member.meta;
    if meta.uid > MAX_ID {
        add(b"uid", meta.uid.to_string().into_bytes());
    }
    if meta.gid > MAX_ID {
        add(b"gid", meta.gid.to_string().into_bytes());
    }
    if !(0..=MAX_TIME).contains(&meta.mtime) {
        add(b"mtime", meta.mtime.to_string().into_bytes());
    }
    for (name, value) in &meta.xattrs {
        add(&[pax::XATTR, name].concat(), value.clone());
    }
    records
}

/// Directories end in a slash.
fn archive_path(member: &Member) -> Vec<u8> {
    let mut path = member.path.clone();
    if member.kind == Kind::Directory {
        path.push(b'/');
    }
    path
}

/// Fills a field; what does not fit stands whole in the pax header.
fn fill(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}
