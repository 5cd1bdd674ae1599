//! The last table, on disk.
//!
//! ```text
//! <state_dir>/lock         held by the router that runs
//!             table.json   the table that was acknowledged last
//!             table.new    the one being written; without meaning when left behind
//! ```

use crate::table::Table;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of one router, held for as long as this lives.
#[derive(Debug)]
pub(crate) struct Stored {
    dir: PathBuf,
    _lock: File,
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
    /// The file does not hold a table.
    #[error("{0} does not hold a table")]
    Damaged(PathBuf, #[source] serde_json::Error),
}

impl Stored {
    /// Takes the directory, making it if need be, and reads the last table; none at the first start.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Option<Table>), StoredError> {
        let failed = |error| StoredError::Io(dir.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = owned_file(&dir.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StoredError::Held(dir.to_owned()))?;
        let stored = Self { dir: dir.to_owned(), _lock: lock };
        let table = stored.read()?;
        Ok((stored, table))
    }

    fn read(&self) -> Result<Option<Table>, StoredError> {
        let path = self.dir.join("table.json");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let table = serde_json::from_slice(&bytes);
                table.map(Some).map_err(|error| StoredError::Damaged(path, error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoredError::Io(path, error)),
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
