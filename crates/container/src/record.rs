//! The files beside a spec: who the shim is, how it ended, what it logged.

use crate::ident::ProcessIdent;
use rustix::fs::{Mode, OFlags, fsync, open};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// What the main process returned, when it returned.
    pub code: Option<i32>,
    /// What ended it, when a signal did.
    pub signal: Option<i32>,
    /// Whether the kernel killed one of its processes for memory.
    pub oom_killed: bool,
    /// When the main process started, RFC 3339; `None` when it never did.
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The most memory it held at once, where the kernel counts that.
    pub peak_memory_bytes: Option<u64>,
    /// The whole story in a few words, for people.
    pub cause: String,
}

/// A running shim, for the server after the one that started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The shim.
    pub(crate) shim: ProcessIdent,
    /// The container's main process as the host numbers it.
    pub(crate) pid: i32,
    /// When that started.
    pub(crate) started_at: String,
}

impl ExitRecord {
    const FILE: &str = "exit.json";
    /// One block of the usual file systems, and more than a record has.
    const RESERVED: usize = 4096;

    /// The record in `dir`; `None` while there is none.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        read_json(&dir.join(Self::FILE))
    }

    /// Takes the room that the record will need, so that a disk that fills meanwhile does not keep
    /// an instance's end from being told.
    pub(crate) fn reserve(dir: &Path) -> io::Result<()> {
        let file = open_new(dir, Self::FILE, OFlags::TRUNC)?.0;
        (&file).write_all(&[b' '; Self::RESERVED])
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        write_durably(dir, Self::FILE, &serde_json::to_vec(self)?)
    }
}

impl State {
    const FILE: &str = "state.json";

    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        read_json(&dir.join(Self::FILE))
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        write_whole(dir, Self::FILE, &serde_json::to_vec(self)?).map(drop)
    }
}

/// The log files of the instance in `dir` that exist, oldest first. Lines are
/// `2016-10-06T00:17:09.669794202Z stdout F text`; `P` instead of `F` marks a piece of a line longer
/// than 64 KiB.
#[must_use]
pub fn log_files(dir: &Path) -> Vec<PathBuf> {
    let rotated = (1..LOG_FILES).rev().map(|age| dir.join(format!("log.{age}")));
    rotated.chain([dir.join("log")]).filter(|path| path.exists()).collect()
}

/// How many log files there are at most, the current one included.
pub(crate) const LOG_FILES: u32 = 5;

/// The longest file of an instance that is read whole. A spec with all the settings that a
/// configuration can hold has a megabyte.
pub(crate) const FILE_BYTES: u64 = 16 << 20;

/// The content of a plain file of at most `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("{} has more than {limit} bytes", path.display())))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match read_file(path, FILE_BYTES) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces `dir/name` by `bytes`, whole or not at all. Readable by root alone, since a spec may hold
/// secrets. Not synced: after a power failure there is no instance that the file could be about.
pub(crate) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<File> {
    let (mut file, new) = open_new(dir, name, OFlags::TRUNC)?;
    file.write_all(bytes)?;
    std::fs::rename(&new, dir.join(name))?;
    Ok(file)
}

fn open_new(dir: &Path, name: &str, truncate: OFlags) -> io::Result<(File, PathBuf)> {
    let new = dir.join(format!("{name}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | truncate;
    Ok((File::from(open(&new, flags, Mode::RUSR | Mode::WUSR)?), new))
}

/// As [`write_whole`], into room that may be reserved, and on disk when it returns.
fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (mut file, new) = open_new(dir, name, OFlags::empty())?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    std::fs::rename(&new, dir.join(name))?;
    let dir = open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fsync(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_files_come_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["log", "log.1", "log.2", "log.9"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            log_files(dir.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["log.2", "log.1", "log"]);
    }

    #[test]
    fn a_record_goes_into_the_room_that_was_reserved_for_it() {
        let dir = tempfile::tempdir().unwrap();
        ExitRecord::reserve(dir.path()).unwrap();
        assert_eq!(ExitRecord::read(dir.path()).unwrap(), None);
        let record = ExitRecord {
            code: Some(3),
            signal: None,
            oom_killed: false,
            started_at: None,
            ended_at: "2026-11-21T00:00:00Z".to_owned(),
            peak_memory_bytes: None,
            cause: "exited with code 3".to_owned(),
        };
        record.write(dir.path()).unwrap();
        assert_eq!(ExitRecord::read(dir.path()).unwrap(), Some(record));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_record_is_none_and_a_torn_one_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ExitRecord::read(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(ExitRecord::FILE), "{").unwrap();
        assert!(ExitRecord::read(dir.path()).is_err());
    }

    #[test]
    fn records_that_no_shim_wrote_are_errors_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ExitRecord::FILE);
        let whole = r#"{"code":0,"signal":null,"oom_killed":false,"started_at":null,
            "ended_at":"x","peak_memory_bytes":null,"cause":"x"}"#;
        for bad in ["", "[]", "null x", &"[".repeat(1 << 20), &whole.replace("0,", "1e99,")] {
            std::fs::write(&path, bad).unwrap();
            assert!(ExitRecord::read(dir.path()).is_err(), "{bad:.20}");
        }
        std::fs::write(&path, whole).unwrap();
        ExitRecord::read(dir.path()).unwrap().unwrap();
        File::create(&path).unwrap().set_len(FILE_BYTES + 1).unwrap();
        let error = ExitRecord::read(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("has more than 16777216 bytes"), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(dir.path().join("elsewhere"), whole).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(ExitRecord::read(dir.path()).is_err());
    }
}
