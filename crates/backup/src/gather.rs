//! Holding still what goes into a backup, while everything goes on.

use crate::name::Name;
use kiln_config::Repositories;
use kiln_image::Store;
use kiln_store::{Database, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is being gathered begins with this; what a crash leaves is swept when the sources are opened.
const UNFINISHED: &str = ".backup-";

/// Whether images go into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChoice {
    /// They do: all can come back as it was.
    With,
    /// They do not: what was deployed must be baked again.
    Without,
}

/// Why nothing could be gathered. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk refused.
    #[error("gather what is to be kept")]
    Io(#[from] io::Error),
    /// The database refused.
    #[error("copy the database")]
    Store(#[from] StoreError),
    /// The image store refused.
    #[error("hold the images still")]
    Images(#[from] kiln_image::Error),
    /// Git refused.
    #[error("bundle a configuration")]
    Git(#[from] kiln_config::GitError),
}

/// What a backup is made of.
#[derive(Debug, Clone)]
pub struct Sources {
    data: PathBuf,
    database: Database,
    configurations: Repositories,
    images: Store,
}

/// What goes into one backup, held still. Dropping it lets go.
#[derive(Debug)]
pub struct Gathered {
    pub(crate) held: TempDir,
    pub(crate) images: ImageChoice,
}

impl Sources {
    /// The data directory, and what is open in it. Sweeps what a crash has left.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(
        data: &Path,
        database: Database,
        configurations: Repositories,
        images: Store,
    ) -> io::Result<Self> {
        for entry in std::fs::read_dir(data)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { data: data.to_owned(), database, configurations, images })
    }

    /// Holds everything still that a backup of this moment is made of: copies of what changes, links
    /// to what does not.
    ///
    /// # Errors
    /// [`BackupError`]; nothing is left of the attempt.
    pub async fn gather(&self, images: ImageChoice) -> Result<Gathered, BackupError> {
        let held = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.data)?;
        let to = held.path();
        // The images first: from here to the copy of the database none comes or goes.
        let still = self.hold_still().await?;
        self.database.copy_to(&to.join("kiln.db")).await?;
        if images == ImageChoice::With {
            let (from, to) = (self.images.root().to_owned(), to.join("images"));
            blocking(move || link_images(&from, &to)).await?;
        }
        drop(still);
        for name in ["admin.token", "secrets.key"] {
            link_if_there(&self.data.join(name), &to.join(name))?;
        }
        std::fs::create_dir(to.join("config"))?;
        for (app, env) in self.configurations.list()? {
            self.configurations.bundle(&app, &env, &to.join(Name::bundle(&app, &env))).await?;
        }
        Ok(Gathered { held, images })
    }

    async fn hold_still(&self) -> Result<kiln_image::Still, BackupError> {
        let images = self.images.clone();
        let held = tokio::task::spawn_blocking(move || images.hold_still()).await;
        Ok(held.map_err(io::Error::other)??)
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn link_images(from: &Path, to: &Path) -> io::Result<()> {
    let blobs = "blobs/sha256";
    std::fs::create_dir_all(to.join(blobs))?;
    for name in ["oci-layout", "index.json"] {
        std::fs::hard_link(from.join(name), to.join(name))?;
    }
    for entry in std::fs::read_dir(from.join(blobs))? {
        let entry = entry?;
        // The context of a bake may be dropped meanwhile; images cannot.
        link_if_there(&entry.path(), &to.join(blobs).join(entry.file_name()))?;
    }
    Ok(())
}

fn link_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
