//! Tar archives as layers use them: one member at a time, read from strangers, written canonically.

mod pax;
mod read;
mod write;

pub use read::TarReader;
pub use write::TarWriter;

use std::collections::BTreeMap;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As in the archive: relative to the root when written, anything when read.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// What it carries besides.
    pub meta: Meta,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file, whose content follows.
    File {
        /// Its length in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: Vec<u8>,
    },
    /// Another name of a member before.
    HardLink {
        /// That member's name.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A device node.
    Device,
}

/// What an entry carries besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Permissions with set-user-id, set-group-id and sticky; no file type.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Whole seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Tar counts in blocks of this many bytes.
pub(crate) const BLOCK: u64 = 512;

/// How many bytes fill the last block of `size` bytes.
pub(crate) const fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

#[cfg(test)]
mod tests;
