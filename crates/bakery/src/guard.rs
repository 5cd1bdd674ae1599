//! A layer that lies over the image while a step runs and never becomes part of it: it keeps
//! services from starting while their packages are installed.
//!
//! Debian asks `policy-rc.d` before it starts a service; some packages start theirs by
//! `start-stop-daemon` without asking.

use crate::within;
use kiln_image::Stack;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// 101 is "not allowed" to invoke-rc.d.
const POLICY: &str = "#!/bin/sh\nexit 101\n";
const START_STOP: &str = "#!/bin/sh\necho \"start-stop-daemon: nothing is started in a bake\"\n";

/// The programs that are covered, where they are looked for, and what is found there instead.
/// The first need not be in the image, only its directory.
const COVERED: [(&str, &str, &str); 2] =
    [("/usr/sbin", "policy-rc.d", POLICY), ("/sbin", "start-stop-daemon", START_STOP)];

/// What covers an image of a distribution that works so.
#[derive(Debug)]
pub(crate) struct Guard {
    root: PathBuf,
    files: Vec<(PathBuf, &'static str)>,
}

impl Guard {
    /// Fills `root`, an empty directory, for the image `below`.
    ///
    /// # Errors
    /// When the disk or the image store refuses.
    pub(crate) fn build(root: PathBuf, below: &Stack) -> Result<Self, kiln_image::Error> {
        let mut guard = Self { root, files: Vec::new() };
        if below.find("/usr/bin/dpkg")?.is_none() {
            return Ok(guard);
        }
        for (dir, name, text) in COVERED {
            let dir = below.real(dir)?;
            guard.cover(below, &dir.to_string_lossy(), name, text)?;
        }
        Ok(guard)
    }

    /// The layer.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Takes out of `upper` what a step copied from here, by changing the mode of all it found.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn clean(&self, upper: &Path) -> io::Result<()> {
        for (path, text) in &self.files {
            let Some(path) = within::plain_file(upper, path)? else { continue };
            let same_length = path.symlink_metadata()?.len() == text.len() as u64;
            if same_length && fs::read(&path)? == text.as_bytes() {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn cover(
        &mut self,
        below: &Stack,
        dir: &str,
        name: &str,
        text: &'static str,
    ) -> Result<(), kiln_image::Error> {
        let path = Path::new(dir).join(name);
        let covered =
            |source| kiln_image::Error::Io { action: "cover", path: path.clone(), source };
        let mut at = String::new();
        for part in dir.split('/').filter(|part| !part.is_empty()) {
            at = if at.is_empty() { part.to_owned() } else { format!("{at}/{part}") };
            let like = below.find(&at)?;
            make_like(&self.root.join(&at), like.as_deref()).map_err(covered)?;
        }
        let file = self.root.join(&path);
        fs::write(&file, text).map_err(covered)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(covered)?;
        // The parent's time was that of the image until the file was written.
        let parent = below.find(dir)?;
        make_like(&self.root.join(dir), parent.as_deref()).map_err(covered)?;
        self.files.push((path, text));
        Ok(())
    }
}

/// Makes a directory that looks as the one it covers: what a step writes into it takes its mode,
/// owner and time into the layer.
fn make_like(dir: &Path, like: Option<&Path>) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let Some(like) = like else { return Ok(()) };
    let like = fs::symlink_metadata(like)?;
    std::os::unix::fs::chown(dir, Some(like.uid()), Some(like.gid()))?;
    fs::set_permissions(dir, Permissions::from_mode(like.mode() & 0o7777))?;
    let time = Timespec { tv_sec: like.mtime(), tv_nsec: like.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, dir, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_takes_back_its_own_files_and_none_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, outside) = (dir.path().join("upper"), dir.path().join("outside"));
        let path = PathBuf::from("usr/sbin/policy-rc.d");
        for root in [&upper, &outside] {
            fs::create_dir_all(root.join("usr/sbin")).unwrap();
            fs::write(root.join(&path), POLICY).unwrap();
        }
        let guard = Guard { root: PathBuf::new(), files: vec![(path.clone(), POLICY)] };
        guard.clean(&upper).unwrap();
        assert!(!upper.join(&path).exists());
        fs::remove_dir_all(upper.join("usr")).unwrap();
        std::os::unix::fs::symlink(outside.join("usr"), upper.join("usr")).unwrap();
        guard.clean(&upper).unwrap();
        assert!(outside.join(&path).exists());
    }
}
