//! An image as its processes will see it: paths are followed beneath its root, never outside.

use crate::spec::{InstanceSpec, User};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel itself follows.
const MAX_LINKS: u32 = 40;
/// Where commands are looked for when the environment does not say.
pub(super) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why the command cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("the command is empty")]
    Empty,
    #[error("command {0} is not in the image")]
    Missing(String),
    #[error("command {0} is not a program")]
    NotAFile(String),
    #[error("user {} may not execute {command}: its mode is {mode:03o}", user.uid)]
    Forbidden { command: String, user: User, mode: u32 },
    #[error("{interpreter}, which runs {command}, is not in the image")]
    NoInterpreter { command: String, interpreter: String },
    #[error("command {0} cannot be looked at")]
    Io(String, #[source] io::Error),
}

/// A root file system that is mounted where the shim can see it.
pub(super) struct Image {
    root: PathBuf,
}

impl Image {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// What is at `path`, a path without links as [`Image::follow`] returns it.
    pub(super) fn look(&self, path: &Path) -> io::Result<Option<Metadata>> {
        match std::fs::symlink_metadata(self.host(path)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where `path` leads, links followed beneath the root; what is missing stays as it is written.
    pub(super) fn follow(&self, path: &Path) -> io::Result<PathBuf> {
        let mut left = MAX_LINKS;
        let mut rest: VecDeque<OsString> = names(path).collect();
        let mut at = PathBuf::from("/");
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            if !self.look(&next)?.is_some_and(|found| found.is_symlink()) {
                at = next;
                continue;
            }
            left = left.checked_sub(1).ok_or_else(|| too_many_links(path))?;
            let target = std::fs::read_link(self.host(&next))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            let ahead: Vec<OsString> = names(&target).collect();
            ahead.into_iter().rev().for_each(|name| rest.push_front(name));
        }
        Ok(at)
    }

    /// Checks that `command` can be run by `user`, and returns its full path in the image.
    pub(super) fn find(&self, command: &str, spec: &InstanceSpec) -> Result<PathBuf, CommandError> {
        let path = self.locate(command, spec)?;
        if spec.writable.iter().any(|place| path.starts_with(place)) {
            // It will be put there at start, by a launch command; nobody can look yet.
            return Ok(path);
        }
        self.check(command, &path, spec.user).map(|()| path)
    }

    fn locate(&self, command: &str, spec: &InstanceSpec) -> Result<PathBuf, CommandError> {
        if command.is_empty() {
            return Err(CommandError::Empty);
        }
        if command.contains('/') {
            return Ok(spec.cwd.join(command));
        }
        let path = spec.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let candidates = path.split(':').map(|dir| Path::new(dir).join(command));
        let mut there = candidates.filter(|candidate| {
            self.follow(candidate).and_then(|real| self.look(&real)).is_ok_and(|it| it.is_some())
        });
        there.next().ok_or_else(|| CommandError::Missing(command.to_owned()))
    }

    fn check(&self, command: &str, path: &Path, user: User) -> Result<(), CommandError> {
        let command = || command.to_owned();
        let io = |error| CommandError::Io(command(), error);
        let real = self.follow(path).map_err(io)?;
        let found = self.look(&real).map_err(io)?.ok_or(CommandError::Missing(command()))?;
        if !found.is_file() {
            return Err(CommandError::NotAFile(command()));
        }
        if !may_execute(&found, user) {
            let mode = found.mode() & 0o7777;
            return Err(CommandError::Forbidden { command: command(), user, mode });
        }
        let Some(interpreter) = self.interpreter(&real).map_err(io)? else { return Ok(()) };
        let there = self.follow(Path::new(&interpreter)).and_then(|real| self.look(&real));
        match there.map_err(io)? {
            Some(_) => Ok(()),
            None => Err(CommandError::NoInterpreter { command: command(), interpreter }),
        }
    }

    /// The program named in a script's first line. The kernel reads no more than 256 bytes of it.
    fn interpreter(&self, real: &Path) -> io::Result<Option<String>> {
        let mut start = Vec::new();
        std::fs::File::open(self.host(real))?.take(256).read_to_end(&mut start)?;
        let line = start.strip_prefix(b"#!").map(|rest| String::from_utf8_lossy(rest).into_owned());
        let line = line.as_deref().and_then(|line| line.lines().next()).unwrap_or_default();
        Ok(line.split_ascii_whitespace().next().map(str::to_owned))
    }

    fn host(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// As the kernel decides: the first class that fits counts, and root needs any bit at all.
fn may_execute(found: &Metadata, user: User) -> bool {
    let bits = if user.uid == 0 {
        0o111
    } else if found.uid() == user.uid {
        0o100
    } else if found.gid() == user.gid {
        0o010
    } else {
        0o001
    };
    found.mode() & bits != 0
}

fn too_many_links(path: &Path) -> io::Error {
    io::Error::other(format!("{} goes through too many links", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn image() -> (tempfile::TempDir, Image) {
        let dir = tempfile::tempdir().unwrap();
        for path in ["run", "usr/bin", "var"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        symlink("/run", dir.path().join("var/run")).unwrap();
        symlink("usr/bin", dir.path().join("bin")).unwrap();
        symlink("../../../../etc", dir.path().join("usr/out")).unwrap();
        symlink("/loop", dir.path().join("loop")).unwrap();
        let image = Image::new(dir.path().to_owned());
        (dir, image)
    }

    #[test]
    fn links_are_followed_beneath_the_root_only() {
        let (_dir, image) = image();
        let check = |path: &str, expected: &str| {
            assert_eq!(image.follow(Path::new(path)).unwrap(), Path::new(expected), "{path}");
        };
        check("/var/run/x/y", "/run/x/y");
        check("/bin/sh", "/usr/bin/sh");
        check("/usr/out/passwd", "/etc/passwd");
        check("/../../nowhere", "/nowhere");
        assert!(image.follow(Path::new("/loop")).is_err());
    }

    fn program(dir: &Path, name: &str, text: &str, mode: u32) {
        let path = dir.join("usr/bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn spec() -> InstanceSpec {
        serde_json::from_value(serde_json::json!({"v": 1, "install": "00ab1f",
            "instance": "0123456789ab", "root": {"lower": ["/x"]}, "command": ["x"],
            "user": {"uid": 4242, "gid": 4242}, "hostname": "h", "network": "host",
            "limits": {}, "writable": ["/scratch"]}))
        .unwrap()
    }

    #[test]
    fn a_command_that_cannot_run_says_why() {
        let (dir, image) = image();
        program(dir.path(), "good", "#!/bin/good\n", 0o755);
        program(dir.path(), "secret", "", 0o700);
        program(dir.path(), "script", "#! /usr/bin/perl -w\n", 0o755);
        let find = |command: &str| image.find(command, &spec()).map_err(|error| error.to_string());
        assert_eq!(find("good").unwrap(), Path::new("/usr/bin/good"));
        assert_eq!(find("/bin/good").unwrap(), Path::new("/bin/good"));
        assert_eq!(find("/scratch/made-later").unwrap(), Path::new("/scratch/made-later"));
        let refused = |command: &str, why: &str| assert_eq!(find(command).unwrap_err(), why);
        refused("/usr/bin/x", "command /usr/bin/x is not in the image");
        refused("x", "command x is not in the image");
        refused("/usr/bin", "command /usr/bin is not a program");
        refused("secret", "user 4242 may not execute secret: its mode is 700");
        refused("script", "/usr/bin/perl, which runs script, is not in the image");
    }
}
