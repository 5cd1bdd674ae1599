//! The data directory, and the runtime directory that belongs to it.
//!
//! ```text
//! DATA/   install      the id that names this Kiln's networks, control groups and sockets
//!         kiln.db      everything that must last
//!         kiln.spare   a small copy of its present, to rebuild it from
//!         damaged/     databases that kiln recover put aside
//!         kiln.sock    the API, for root
//!         admin.token  the API, over TCP
//!         router.token what a router on another machine joins with
//!         secrets.key  opens the secrets in kiln.db; made with the first of them
//!         images/ config/ instances/ router/
//!         bin/SHA/kiln the program, kept while parts and shims are started from it
//!         log/         what server and router say
//! RUN/    server.json router.json up.json   who plays which part; gone after a reboot
//!         router.sock  the router's control
//! ```

use crate::clock;
use anyhow::{Context, Result};
use kiln_names::{Digest, InstallId};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One Kiln's places on disk.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    root: PathBuf,
    pub(crate) install: InstallId,
}

impl Data {
    /// Opens the directory, making it and its id at the first start.
    pub(crate) fn ensure(root: &Path) -> Result<Self> {
        private_dir(root).with_context(|| format!("make {}", root.display()))?;
        let root = root.canonicalize()?;
        let install = match read_install(&root)? {
            Some(install) => install,
            None => new_install(&root)?,
        };
        let data = Self { root, install };
        for dir in ["images", "config", "instances", "router", "bin", "log"] {
            private_dir(&data.root.join(dir))?;
        }
        private_dir(&data.run())?;
        Ok(data)
    }

    /// Opens a directory that is there; none is no error.
    pub(crate) fn existing(root: &Path) -> Result<Option<Self>> {
        let Ok(root) = root.canonicalize() else { return Ok(None) };
        Ok(read_install(&root)?.map(|install| Self { root, install }))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether a server ever ran on it: then there was a database.
    pub(crate) fn has_served(&self) -> bool {
        self.at("admin.token").exists()
    }

    /// Sockets have at most 107 bytes of path, so they live where paths are short.
    pub(crate) fn run(&self) -> PathBuf {
        Path::new("/run/kiln").join(self.install.to_string())
    }

    /// Where values of secrets lie for containers of a Docker Engine on this machine: in memory, which
    /// `/run` need not be.
    pub(crate) fn memory(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("kiln-{}", self.install))
    }

    /// The control socket of the router.
    pub(crate) fn router_socket(&self) -> PathBuf {
        self.run().join("router.sock")
    }

    /// This very program, copied once to where it stays while others run from it.
    pub(crate) fn keep_program(&self) -> Result<PathBuf> {
        self.keep(Path::new("/proc/self/exe")).context("keep this program")
    }

    /// A program, copied once to where it stays while others run from it.
    pub(crate) fn keep(&self, program: &Path) -> Result<PathBuf> {
        let bytes = fs::read(program).with_context(|| format!("read {}", program.display()))?;
        let dir = self.at("bin").join(Digest::of(&bytes).hex());
        let kept = dir.join("kiln");
        if kept.exists() {
            return Ok(kept);
        }
        private_dir(&dir)?;
        let new = dir.join("kiln.new");
        fs::write(&new, bytes).context("copy it")?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o555))?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &kept)?;
        Ok(kept)
    }

    /// Removes kept programs other than these. What runs from one goes on.
    pub(crate) fn forget_programs_but(&self, used: &[&Path]) -> Result<()> {
        for entry in fs::read_dir(self.at("bin"))? {
            let dir = entry?.path();
            if !used.iter().any(|program| program.starts_with(&dir)) {
                fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// The token for the API over TCP, made at the first start.
    pub(crate) fn ensure_token(&self) -> Result<String> {
        let path = self.at("admin.token");
        match fs::read_to_string(&path) {
            Ok(token) => Ok(token.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let token = clock::random::<32>().map(|byte| format!("{byte:02x}")).concat();
                write_private(&path, &token)?;
                Ok(token)
            }
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Writes down what a router on another machine joins with.
    pub(crate) fn keep_router_token(&self, token: &str) -> Result<()> {
        write_private(&self.at("router.token"), token).context("write router.token")
    }
}

fn read_install(root: &Path) -> Result<Option<InstallId>> {
    let path = root.join("install");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let install = text.trim().parse();
            install.map(Some).with_context(|| format!("read {}", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Two first starts at once agree on the id that was linked first.
fn new_install(root: &Path) -> Result<InstallId> {
    let install = InstallId::from_random(clock::random());
    let new = root.join(format!("install.{install}"));
    write_private(&new, &install.to_string())?;
    let linked = fs::hard_link(&new, root.join("install"));
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
        _ => read_install(root)?.context("the install id is gone"),
    }
}

fn private_dir(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_keeps_its_id_and_first_starts_at_once_agree_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let started: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| new_install(dir.path()))).collect();
            starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
        });
        assert!(started.iter().all(|install| *install == started[0]), "{started:?}");
        assert_eq!(read_install(dir.path()).unwrap(), Some(started[0]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_was_never_started_is_nothing_and_a_damaged_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Data::existing(dir.path()).unwrap().is_none());
        assert!(Data::existing(&dir.path().join("gone")).unwrap().is_none());
        fs::write(dir.path().join("install"), "nonsense").unwrap();
        assert!(Data::existing(dir.path()).is_err());
    }

    #[test]
    fn the_token_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let install = InstallId::from_random([1, 2, 3]);
        let data = Data { root: dir.path().to_owned(), install };
        let token = data.ensure_token().unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(data.ensure_token().unwrap(), token);
        let mode = fs::metadata(data.at("admin.token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
