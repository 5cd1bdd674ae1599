//! Removing trees that others made: however deep they are, it takes a few open directories and no
//! more of the stack than for a shallow one. A step of a bake can make a tree of a depth that
//! neither a path nor the descriptors of a process reach the bottom of.

use crate::error::{Context as _, Error};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::path::Path;

/// How many directories are open at once. What lies deeper is first moved to the top.
const DEPTH: u32 = 16;

/// Removes a file or a directory with all that is in it, if it is there. Follows no link.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => remove_directory(path).on("remove", path),
        Err(error) => Err(error).on("remove", path),
    }
}

fn remove_directory(path: &Path) -> Result<(), Errno> {
    let top = open(CWD, path)?;
    let mut remover = Remover { top: &top, moved: 0 };
    // What is moved to the top may come behind what was listed.
    loop {
        remover.empty(top.as_fd(), 0)?;
        match rustix::fs::rmdir(path) {
            Err(Errno::NOTEMPTY) => {}
            Err(Errno::NOENT) => return Ok(()),
            other => return other,
        }
    }
}

struct Remover<'t> {
    top: &'t OwnedFd,
    /// Numbers the names of what was moved to the top.
    moved: u64,
}

impl Remover<'_> {
    fn empty(&mut self, dir: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                self.remove(dir, name, depth)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, dir: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<(), Errno> {
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {}
            Err(Errno::NOENT) => return Ok(()),
            other => return other,
        }
        if depth == DEPTH {
            return self.move_up(dir, name);
        }
        let below = open(dir, name)?;
        loop {
            self.empty(below.as_fd(), depth + 1)?;
            match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
                // Some file systems list too little while names go.
                Err(Errno::NOTEMPTY) => {}
                other => return other,
            }
        }
    }

    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.moved += 1;
            let to = format!("deep-{}", self.moved);
            let noreplace = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(dir, name, self.top, to, noreplace) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

fn open(dir: impl rustix::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// Far beyond what 64 descriptors or a path of 4 KiB reach.
    const DEEP: usize = 3000;

    fn deep(top: &Path) {
        std::fs::create_dir(top).unwrap();
        let mut dir = open(CWD, top).unwrap();
        for _ in 0..DEEP {
            rustix::fs::mkdirat(&dir, "a", Mode::RWXU).unwrap();
            rustix::fs::symlinkat("/etc", &dir, "out").unwrap();
            dir = open(&dir, "a").unwrap();
        }
    }

    #[test]
    fn a_tree_too_deep_for_descriptors_and_paths_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        deep(&top);
        let before = getrlimit(Resource::Nofile);
        let few = Rlimit { current: Some(64), maximum: before.maximum };
        setrlimit(Resource::Nofile, few).unwrap();
        let removed = remove_tree(&top);
        setrlimit(Resource::Nofile, before).unwrap();
        removed.unwrap();
        assert!(!top.exists() && Path::new("/etc").exists());
    }

    #[test]
    fn files_links_and_what_is_not_there_are_removed_too() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, kept] = ["file", "link", "kept"].map(|name| dir.path().join(name));
        std::fs::write(&file, "").unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        for path in [&file, &link, &dir.path().join("none")] {
            remove_tree(path).unwrap();
            assert!(path.symlink_metadata().is_err());
        }
        assert!(kept.exists());
    }
}
