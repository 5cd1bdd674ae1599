//! One instance's log files: the last lines, and the lines that came since.

use crate::runtime::blocking;
use kiln_keeper::Log;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most that one look at a followed file reads; the rest comes with the next.
const MOST_AT_ONCE: u64 = 1 << 20;

/// The last `count` lines as they stand in the files, the oldest first.
fn tail_of(dir: &Path, count: usize) -> Vec<String> {
    let mut kept = VecDeque::new();
    for path in kiln_container::log_files(dir).iter().rev() {
        let Ok(file) = File::open(path) else { continue };
        let older = last_lines(BufReader::new(file), count - kept.len());
        older.into_iter().rev().for_each(|line| kept.push_front(line));
        if kept.len() >= count {
            break;
        }
    }
    kept.into()
}

fn last_lines(mut reader: impl BufRead, count: usize) -> VecDeque<String> {
    let mut last = VecDeque::new();
    let mut line = Vec::new();
    while count > 0 && reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if last.len() == count {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        line.clear();
    }
    last
}

/// One instance's log, and how far it has been read.
#[derive(Debug)]
pub(crate) struct LocalLog {
    dir: PathBuf,
    follower: Follower,
}

impl LocalLog {
    /// A log that is read from its first line on.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, follower: Follower::default() }
    }

    /// Its last lines, and the log behind them; none when nothing is left of the instance.
    pub(crate) fn at_end(dir: PathBuf, count: usize) -> Option<(Vec<String>, Self)> {
        let follower = Follower::at_end(&dir);
        let lines = tail_of(&dir, count);
        dir.exists().then_some((lines, Self { dir, follower }))
    }
}

#[async_trait::async_trait]
impl Log for LocalLog {
    async fn more(&mut self) -> Option<Vec<String>> {
        let (dir, mut follower) = (self.dir.clone(), std::mem::take(&mut self.follower));
        let look = move || {
            let lines = follower.new_lines(&dir);
            (lines, follower, dir.exists())
        };
        let (lines, follower, there) = blocking(look).await.ok()?;
        self.follower = follower;
        (there || !lines.is_empty()).then_some(lines)
    }
}

/// How far a followed log has been read.
#[derive(Debug, Default)]
struct Follower {
    inode: u64,
    offset: u64,
}

impl Follower {
    /// Has read everything that is there.
    fn at_end(dir: &Path) -> Self {
        let meta = std::fs::metadata(dir.join("log"));
        meta.map(|meta| Self { inode: meta.ino(), offset: meta.len() }).unwrap_or_default()
    }

    /// The whole lines that came since the last look.
    fn new_lines(&mut self, dir: &Path) -> Vec<String> {
        let Ok(meta) = std::fs::metadata(dir.join("log")) else { return Vec::new() };
        let mut lines = Vec::new();
        if meta.ino() != self.inode {
            if self.inode != 0 {
                lines = self.read_on(&dir.join("log.1"), Some(self.inode));
            }
            *self = Self { inode: meta.ino(), offset: 0 };
        }
        lines.extend(self.read_on(&dir.join("log"), None));
        lines
    }

    fn read_on(&mut self, path: &Path, only: Option<u64>) -> Vec<String> {
        self.bytes_from(path, only).map(|bytes| self.take_lines(&bytes)).unwrap_or_default()
    }

    fn bytes_from(&self, path: &Path, only: Option<u64>) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        if only.is_none_or(|inode| file.metadata().is_ok_and(|meta| meta.ino() == inode)) {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(MOST_AT_ONCE).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    fn take_lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.offset += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        text.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_lines_reach_back_into_rotated_files() {
        let dir = tempfile::tempdir().unwrap();
        append(&dir.path().join("log.1"), "a\nb\n");
        append(&dir.path().join("log"), "c\n");
        assert_eq!(tail_of(dir.path(), 2), ["b", "c"]);
        assert_eq!(tail_of(dir.path(), 9), ["a", "b", "c"]);
        assert!(tail_of(dir.path(), 0).is_empty());
    }

    #[test]
    fn a_follower_misses_nothing_when_the_log_is_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        append(&log, "old\n");
        let mut follower = Follower::at_end(dir.path());
        append(&log, "one\nhal");
        assert_eq!(follower.new_lines(dir.path()), ["one"]);
        append(&log, "f\n");
        std::fs::rename(&log, dir.path().join("log.1")).unwrap();
        append(&log, "two\n");
        assert_eq!(follower.new_lines(dir.path()), ["half", "two"]);
        assert!(follower.new_lines(dir.path()).is_empty());
    }
}
