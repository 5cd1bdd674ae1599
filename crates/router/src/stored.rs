//! The last table, on disk.
//!
//! ```text
//! <state_dir>/lock         held by the router that runs
//!             table.json   the table that was acknowledged last
//!             table.new    the one being written; without meaning when left behind
//!             table.bad    what could not be read as a table, set aside for people
//! ```

use crate::table::Table;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of one router.
#[derive(Debug)]
pub(crate) struct Stored {
    dir: PathBuf,
}

/// Keeps other routers off the directory for as long as it lives.
#[derive(Debug)]
pub(crate) struct Hold(OwnedFd);

impl AsFd for Hold {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Why the last table cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Another router runs on the same directory.
    #[error("another router runs on {0}")]
    Held(PathBuf),
    /// The directory or a file in it cannot be used.
    #[error("the router's directory {0} cannot be used")]
    Io(PathBuf, #[source] io::Error),
}

impl Stored {
    /// Takes the directory, making it if need be, and reads the last table; none at the first start.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Hold, Option<Table>), StoredError> {
        let failed = |error| StoredError::Io(dir.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = owned_file(&dir.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoredError::Held(dir.to_owned()))?;
        Self::held(dir, lock.into())
    }

    /// Goes on with a directory that the router before held, by its lock.
    pub(crate) fn held(
        dir: &Path,
        lock: OwnedFd,
    ) -> Result<(Self, Hold, Option<Table>), StoredError> {
        let stored = Self { dir: dir.to_owned() };
        let table = stored.read()?;
        Ok((stored, Hold(lock), table))
    }

    /// A file that holds no table is set aside: a router without one can be given the next, a router
    /// that does not start cannot.
    fn read(&self) -> Result<Option<Table>, StoredError> {
        let path = self.dir.join("table.json");
        let failed = |error| StoredError::Io(path.clone(), error);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed)?,
        };
        match serde_json::from_slice(&bytes) {
            Ok(table) => Ok(Some(table)),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "last table not readable, set aside");
                std::fs::rename(&path, self.dir.join("table.bad")).map_err(failed)?;
                Ok(None)
            }
        }
    }

    /// Puts `table` in the last one's place; it is on disk when this returns.
    pub(crate) fn write(&self, table: &Table) -> io::Result<()> {
        let (new, last) = (self.dir.join("table.new"), self.dir.join("table.json"));
        let mut file = owned_file(&new)?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec(table)?)?;
        file.sync_all()?;
        std::fs::rename(new, last)?;
        File::open(&self.dir)?.sync_all()
    }
}

fn owned_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_written_last_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("router");
        let (stored, hold, none) = Stored::open(&path).unwrap();
        assert_eq!(none, None);
        for version in [1, 2] {
            stored.write(&Table { epoch: 1, version, ..Table::default() }).unwrap();
        }
        assert!(matches!(Stored::open(&path), Err(StoredError::Held(_))));
        drop(hold);
        assert_eq!(Stored::open(&path).unwrap().2.unwrap().number(), (1, 2));
    }

    #[test]
    fn what_is_not_a_table_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("table.json"), "{").unwrap();
        assert_eq!(Stored::open(dir.path()).unwrap().2, None);
        assert_eq!(std::fs::read(dir.path().join("table.bad")).unwrap(), b"{");
    }
}
