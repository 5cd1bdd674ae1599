//! A store of its own for each input, with something beside it that nothing may touch.

use kiln_image::Store;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory that holds a store and an outside.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) store: Store,
}

const UNTOUCHED: &str = "untouched";

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/file"), UNTOUCHED).unwrap();
        // Seeds cannot know where this is; from within a layer it is always as far up.
        std::os::unix::fs::symlink("outside", dir.path().join("link")).unwrap();
        let store = Store::open(&dir.path().join("images")).unwrap();
        Self { dir, store }
    }

    /// Nothing but the store has changed, and nothing unfinished is in it.
    pub(crate) fn check(&self) {
        let outside = self.dir.path().join("outside");
        assert_eq!(names(self.dir.path()), ["images", "link", "outside"]);
        assert_eq!(names(&outside), ["file"]);
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), UNTOUCHED);
        assert_eq!(names(&self.part("staging")), [""; 0]);
    }

    /// As [`Place::check`], with nothing finished either.
    pub(crate) fn check_empty(&self) {
        self.check();
        assert_eq!(names(&self.part("layers")), [""; 0]);
        assert_eq!(self.store.images().unwrap(), []);
    }

    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.store.root().join(name)
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Gives every header of an archive the sum that it should have: no fuzzer guesses sums.
pub(crate) fn with_sums(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let mut at = 0;
    while let Some(header) = bytes.get_mut(at..at + 512) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = str::from_utf8(&header[124..135]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 8).ok()).unwrap_or(0);
        at += 512 + size.next_multiple_of(512);
    }
    bytes
}
