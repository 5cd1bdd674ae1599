//! The key's file: where it is, who may read it, how it is made.

use crate::KeyError;
use crate::seal::Key;
use rustix::fs::{Mode, OFlags, fsync, open};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The key's name among the credentials of a systemd unit.
const CREDENTIAL: &str = "kiln-secrets-key";
/// Its name in the data directory.
const FILE: &str = "secrets.key";

/// Where the key is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
    /// Whose it is: ours to make, or the service manager's.
    own: bool,
}

impl KeyFile {
    /// The credential `kiln-secrets-key` if the service manager passes one; else `secrets.key` in the
    /// data directory, made at the first use.
    #[must_use]
    pub fn find(data: &Path, credentials: Option<&Path>) -> Self {
        let credential = credentials.map(|dir| dir.join(CREDENTIAL)).filter(|path| path.exists());
        match credential {
            Some(path) => Self { path, own: false },
            None => Self { path: data.join(FILE), own: true },
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The key; none while there is no file.
    pub(crate) fn read(&self) -> Result<Option<Key>, KeyError> {
        let failed = |source| KeyError::Read { path: self.path(), source };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = match open(&self.path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(KeyError::Form(self.path())),
            Err(error) => return Err(failed(error.into())),
        };
        self.check(&file)?;
        let mut bytes = Zeroizing::new([0; Key::BYTES]);
        file.read_exact(&mut *bytes).map_err(failed)?;
        Ok(Some(Key::new(bytes)))
    }

    fn check(&self, file: &File) -> Result<(), KeyError> {
        let found = file.metadata();
        let found = found.map_err(|source| KeyError::Read { path: self.path(), source })?;
        let uid = rustix::process::geteuid().as_raw();
        if !found.is_file() || found.len() != Key::BYTES as u64 {
            return Err(KeyError::Form(self.path()));
        }
        if found.uid() != uid {
            return Err(KeyError::Foreign { path: self.path(), uid });
        }
        if found.mode() & 0o077 != 0 {
            return Err(KeyError::Loose(self.path()));
        }
        Ok(())
    }

    /// The key, made if there is none: whole, and on disk when this returns.
    pub(crate) fn ensure(&self, random: fn(&mut [u8])) -> Result<Key, KeyError> {
        if let Some(key) = self.read()? {
            return Ok(key);
        }
        if !self.own {
            return Err(KeyError::Missing(self.path()));
        }
        let mut bytes = Zeroizing::new([0; Key::BYTES]);
        random(&mut *bytes);
        self.make(&*bytes).map_err(|source| KeyError::Make { path: self.path(), source })?;
        Ok(Key::new(bytes))
    }

    fn make(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("key.new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(open(&new, flags, Mode::RUSR)?);
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        Ok(fsync(open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sevens(bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::find(dir.path(), None);
        assert!(file.read().unwrap().is_none());
        // What a crash in the middle of the first making left.
        std::fs::write(dir.path().join("secrets.key.new"), "half").unwrap();
        file.ensure(sevens).unwrap();
        file.ensure(|_| panic!("there is one")).unwrap();
        let found = std::fs::metadata(dir.path().join("secrets.key")).unwrap();
        assert_eq!((found.mode() & 0o777, found.len()), (0o400, 32));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::find(dir.path(), None);
        let path = file.path();
        let said = |file: &KeyFile| file.read().unwrap_err().to_string();
        file.ensure(sevens).unwrap();
        for loose in [0o440, 0o404, 0o420] {
            mode(&path, loose);
            assert!(said(&file).contains("chmod 400"), "{loose:o}");
        }
        std::fs::remove_file(&path).unwrap();
        for length in [0, 31, 33] {
            std::fs::write(&path, vec![7; length]).unwrap();
            mode(&path, 0o400);
            assert!(said(&file).contains("32 bytes"), "{length}");
        }
        let elsewhere = dir.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(said(&file).contains("32 bytes"), "a link is no key");
    }

    #[test]
    fn a_credential_of_the_service_manager_comes_first_and_is_never_made() {
        let (data, passed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = KeyFile::find(data.path(), Some(passed.path()));
        assert_eq!(own.path(), data.path().join("secrets.key"));
        let credential = passed.path().join("kiln-secrets-key");
        std::fs::write(&credential, [7; 32]).unwrap();
        mode(&credential, 0o400);
        let file = KeyFile::find(data.path(), Some(passed.path()));
        assert!(file.read().unwrap().is_some());
        std::fs::remove_file(credential).unwrap();
        assert!(matches!(file.ensure(sevens), Err(KeyError::Missing(_))));
    }
}
