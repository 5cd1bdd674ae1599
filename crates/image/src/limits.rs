//! How large a layer may be, and the counting of it.

use crate::archive::Meta;
use crate::error::{LayerError, shown};
use kiln_names::ByteSize;

/// What a layer may hold at most. The figures are far above real root file systems and far below
/// what would hurt this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links together. A full desktop distribution has half a million.
    pub entries: u64,
    /// Content of one file. A tar header without extensions counts to just below 8 GiB.
    pub file: ByteSize,
    /// The whole archive, headers included.
    pub total: ByteSize,
    /// Directories above an entry; each costs an open descriptor while a tree is walked.
    pub depth: u64,
    /// The length of a path; the kernel's own limit.
    pub path: ByteSize,
    /// All paths and attributes together: those of directories are remembered until the end.
    pub names: ByteSize,
    /// Extended attributes and long names ahead of one entry, together.
    pub attributes: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            file: ByteSize((8 << 30) - 1),
            total: ByteSize(32 << 30),
            depth: 128,
            path: ByteSize(4095),
            names: ByteSize::mib(256),
            attributes: ByteSize::mib(1),
        }
    }
}

/// The most layers of one image. Overlayfs takes 500 directories, a few of which Kiln adds, and their
/// names have to fit into one page of mount options.
pub const MAX_LAYERS: usize = 400;

/// What has been counted against [`Limits`] so far.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    entries: u64,
    total: u64,
    names: u64,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: 0, total: 0, names: 0 }
    }

    /// Counts one entry whose content is `size` bytes.
    pub(crate) fn entry(&mut self, path: &[u8], size: u64) -> Result<(), LayerError> {
        let length = path.len() as u64;
        let depth = path.iter().filter(|byte| **byte == b'/').count() as u64;
        self.entries += 1;
        self.names = self.names.saturating_add(length);
        self.total = self.total.saturating_add(size).saturating_add(512);
        let Limits { entries, file, total, depth: deep, path: long, names, .. } = self.limits;
        for (count, limit, what) in [
            (self.entries, entries, "entries"),
            (size, file.0, "bytes in one file"),
            (self.total, total.0, "bytes in all"),
            (depth, deep, "directories above an entry"),
            (length, long.0, "bytes in a path"),
            (self.names, names.0, "bytes in all names and attributes"),
        ] {
            if count > limit {
                return Err(LayerError::Limit { path: shown(path), limit, what });
            }
        }
        Ok(())
    }

    /// Counts a directory that is there only because something lies in it.
    pub(crate) fn implied(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.entry(path, 0)
    }

    /// Counts the attributes of the entry at `path`.
    pub(crate) fn attributes(&mut self, path: &[u8], meta: &Meta) -> Result<(), LayerError> {
        let bytes = |(name, value): (&Vec<u8>, &Vec<u8>)| (name.len() + value.len()) as u64;
        self.names = self.names.saturating_add(meta.xattrs.iter().map(bytes).sum());
        let (limit, what) = (self.limits.names.0, "bytes in all names and attributes");
        if self.names > limit {
            return Err(LayerError::Limit { path: shown(path), limit, what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: Limits, path: &str, size: u64, expected: &str) {
        let mut budget = Budget::new(limits);
        budget.entry(b"a", 1).unwrap();
        let error = budget.entry(path.as_bytes(), size).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn each_limit_is_met_by_its_own_count() {
        let limits = Limits::default();
        check(Limits { entries: 1, ..limits }, "b", 0, "more than 1 entries");
        check(Limits { file: ByteSize(9), ..limits }, "b", 10, "bytes in one file");
        check(Limits { total: ByteSize(1024), ..limits }, "b", 10, "bytes in all");
        check(Limits { depth: 1, ..limits }, "b/c/d", 0, "directories above");
        check(Limits { path: ByteSize(2), ..limits }, "bcd", 0, "bytes in a path");
        check(Limits { names: ByteSize(3), ..limits }, "bcd", 0, "bytes in all names");
    }
}
