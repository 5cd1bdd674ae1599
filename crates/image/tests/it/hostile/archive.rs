//! Archives with headers just as they are asked for, which no decent archiver would write.

use tar::{EntryType, Header};

/// One entry: a header and what follows it.
#[derive(Clone)]
pub(crate) struct Entry {
    header: Header,
    content: Vec<u8>,
}

impl Entry {
    /// An entry whose path and link target are the bytes given, as far as they fit.
    pub(crate) fn new(kind: EntryType, path: &[u8], target: &[u8], content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path);
        fields.linkname[..target.len()].copy_from_slice(target);
        Self { header, content: content.to_vec() }
    }

    /// Other permission bits, as octal digits.
    pub(crate) fn mode(self, digits: &str) -> Self {
        self.field(100, format!("{digits:0>7}\0").as_bytes())
    }

    /// A size that need not be that of the content.
    pub(crate) fn says(mut self, size: u64) -> Self {
        self.header.set_size(size);
        self
    }

    /// Other bytes at that place of the header.
    pub(crate) fn field(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header.as_mut_bytes()[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        self.header.set_cksum();
        let mut bytes = self.header.as_bytes().to_vec();
        bytes.extend_from_slice(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

pub(crate) fn file(path: &str, content: &str) -> Entry {
    Entry::new(EntryType::Regular, path.as_bytes(), b"", content.as_bytes())
}

pub(crate) fn dir(path: &str) -> Entry {
    Entry::new(EntryType::Directory, path.as_bytes(), b"", b"")
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    Entry::new(EntryType::Symlink, path.as_bytes(), target.as_bytes(), b"")
}

pub(crate) fn link(path: &str, target: &str) -> Entry {
    Entry::new(EntryType::Link, path.as_bytes(), target.as_bytes(), b"")
}

/// An entry of another kind.
pub(crate) fn node(kind: u8, path: &str) -> Entry {
    Entry::new(EntryType::new(kind), path.as_bytes(), b"", b"")
}

/// A pax header with these records, for the entry after it.
pub(crate) fn pax(records: &[(&str, &[u8])]) -> Entry {
    extension(EntryType::XHeader, &records.iter().flat_map(record).collect::<Vec<u8>>())
}

/// A pax header for all entries after it.
pub(crate) fn global(records: &[(&str, &[u8])]) -> Entry {
    extension(EntryType::XGlobalHeader, &records.iter().flat_map(record).collect::<Vec<u8>>())
}

/// A GNU header that says the path of the entry after it.
pub(crate) fn long_name(path: &[u8]) -> Entry {
    extension(EntryType::GNULongName, path)
}

/// A GNU header that says the link target of the entry after it.
pub(crate) fn long_target(path: &[u8]) -> Entry {
    extension(EntryType::GNULongLink, path)
}

/// A header that describes another, with that content.
pub(crate) fn extension(kind: EntryType, content: &[u8]) -> Entry {
    Entry::new(kind, b"extension", b"", content)
}

fn record((key, value): &(&str, &[u8])) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
    let mut record = format!("{} {key}=", rest + length.unwrap()).into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

/// An archive of entries, without an end mark.
pub(crate) fn endless(entries: &[Entry]) -> Vec<u8> {
    entries.iter().cloned().flat_map(Entry::bytes).collect()
}

/// An archive of entries.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = endless(entries);
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
