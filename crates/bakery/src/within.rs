//! Files of trees that others made: reached through no link that leaves the tree, and read no
//! further than any honest one is long.

use rustix::fs::{CWD, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest file of a system that is read whole: dpkg's status of a full desktop has 5 MiB.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// The file at `path` below `root`, if the way there leads through directories alone.
pub(crate) fn plain_file(root: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let mut at = root.to_owned();
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        at.push(name);
        let found = match at.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let wanted = if names.peek().is_some() { found.is_dir() } else { found.is_file() };
        if !wanted {
            return Ok(None);
        }
    }
    Ok(Some(at))
}

/// The whole content of a file, which is no link, pipe or device and has at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let words = format!("{} has more than {limit} bytes", path.display());
        return Err(io::Error::other(words));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_found_only_where_directories_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/file"), "").unwrap();
        symlink(root.join("etc"), root.join("link")).unwrap();
        symlink("file", root.join("etc/other")).unwrap();
        let found = |path: &str| plain_file(root, Path::new(path)).unwrap().is_some();
        assert!(found("etc/file"));
        for not in ["etc", "etc/none", "link/file", "etc/other", "etc/file/x"] {
            assert!(!found(not), "{not}");
        }
    }

    #[test]
    fn what_is_no_plain_file_or_too_long_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| dir.path().join(name));
        std::fs::write(&file, "12345").unwrap();
        symlink(&file, &link).unwrap();
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert!(read(&file, 4).unwrap_err().to_string().ends_with("has more than 4 bytes"));
        assert!(read(&pipe, 5).unwrap_err().to_string().ends_with("is not a file"));
        assert!(read(&link, 5).is_err() && read(dir.path(), 5).is_err());
    }
}
