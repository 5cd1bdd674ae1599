//! Tar archives as layers use them: one member at a time, read from strangers, written canonically.

mod pax;
mod read;
mod write;

pub(crate) use read::TarReader;
pub(crate) use write::TarWriter;

use std::collections::BTreeMap;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// As in the archive: relative to the root when written, anything when read.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { size: u64 },
    Symlink { target: Vec<u8> },
    HardLink { target: Vec<u8> },
    Fifo,
    Device,
}

/// What an entry carries besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    /// Permissions with set-user-id, set-group-id and sticky; no file type.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whole seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Tar counts in blocks of this many bytes.
pub(crate) const BLOCK: u64 = 512;

/// How many bytes fill the last block of `size` bytes.
pub(crate) const fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

#[cfg(test)]
mod tests;
