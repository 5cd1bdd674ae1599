//! The directory of repositories.

use crate::error::{CheckError, EnsureError, LogError, PutError, ReadError, RemoveError};
use crate::history::{self, LogEntry};
use crate::{Put, PutOutcome, Revision, Snapshot, git, write};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::{Configuration, ConfigurationFile};
use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

/// What is being made or removed begins with this, which no application does.
pub(crate) const UNFINISHED: &str = ".kiln-";

/// The configuration of every application in every environment.
#[derive(Debug, Clone)]
pub struct Repositories {
    directory: PathBuf,
}

impl Repositories {
    /// Opens the directory, makes it if needed, and sweeps what a crash left unfinished. It belongs
    /// to one Kiln alone.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(directory: impl Into<PathBuf>) -> std::io::Result<Self> {
        let directory = directory.into();
        std::fs::create_dir_all(&directory)?;
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { directory })
    }

    /// Where the repository of an application in an environment is, or would be.
    #[must_use]
    pub fn path(&self, app: &AppName, env: &EnvName) -> PathBuf {
        self.directory.join(format!("{app}-{env}.git"))
    }

    /// Which application and environment a repository of that name belongs to, if it is one's name.
    #[must_use]
    pub fn owners(name: &str) -> Option<(AppName, EnvName)> {
        let (app, env) = name.strip_suffix(".git")?.rsplit_once('-')?;
        Some((AppName::parse(app).ok()?, EnvName::parse(env).ok()?))
    }

    /// Every application and environment that has a repository, by name.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn list(&self) -> std::io::Result<Vec<(AppName, EnvName)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            found.extend(entry?.file_name().to_str().and_then(Self::owners));
        }
        found.sort();
        Ok(found)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the repository if it is not there, with a first commit that is the same everywhere.
    ///
    /// # Errors
    /// [`EnsureError`]; nothing half made is left to be seen.
    pub async fn ensure(&self, app: &AppName, env: &EnvName) -> Result<(), EnsureError> {
        let path = self.path(app, env);
        if tokio::fs::try_exists(&path).await? {
            return Ok(());
        }
        let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.directory)?;
        let made = unfinished.path().join("made");
        let arguments = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
        git::run(&made, &arguments, b"").await?.success("init")?;
        write::first_commit(&made).await?;
        match tokio::fs::rename(&made, &path).await {
            Err(error) if is_taken(&error) => Ok(()),
            renamed => Ok(renamed.and(self.sync().await)?),
        }
    }

    /// The three files of a commit of the main branch.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(
        &self,
        app: &AppName,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<Snapshot, ReadError> {
        let not_found = || ReadError::NotFound(app.clone(), env.clone());
        let path = self.existing(app, env).await.ok_or_else(not_found)?;
        Snapshot::read(&path, (app, env), revision).await
    }

    /// The commit that `revision` means, and what its files say.
    ///
    /// # Errors
    /// [`CheckError`]; of an invalid file, the first mistake with its line.
    pub async fn check(
        &self,
        app: &AppName,
        env: &EnvName,
        revision: &Revision,
    ) -> Result<(CommitId, Configuration), CheckError> {
        let snapshot = self.read(app, env, revision).await?;
        Ok((snapshot.commit, snapshot.configuration()?))
    }

    /// Replaces one whole file, after it was checked.
    ///
    /// # Errors
    /// [`PutError`]; the repository is then as it was.
    ///
    /// # Cancellation
    /// When the future is dropped the commit has been made, or it has not.
    pub async fn put(
        &self,
        app: &AppName,
        env: &EnvName,
        file: ConfigurationFile,
        content: &[u8],
        put: &Put<'_>,
    ) -> Result<PutOutcome, PutError> {
        let not_found = || PutError::NotFound(app.clone(), env.clone());
        let path = self.existing(app, env).await.ok_or_else(not_found)?;
        write::put(&path, (app, env), file, content, put).await
    }

    /// The newest commits first, at most `limit` and never more than 1,000.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn log(
        &self,
        app: &AppName,
        env: &EnvName,
        limit: u32,
    ) -> Result<Vec<LogEntry>, LogError> {
        let not_found = || LogError::NotFound(app.clone(), env.clone());
        let path = self.existing(app, env).await.ok_or_else(not_found)?;
        Ok(history::log(&path, limit).await?)
    }

    /// Removes the repository with its whole history.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub async fn remove(&self, app: &AppName, env: &EnvName) -> Result<(), RemoveError> {
        let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.directory)?;
        let renamed = tokio::fs::rename(self.path(app, env), unfinished.path().join("gone")).await;
        match renamed {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(RemoveError::NotFound(app.clone(), env.clone()))
            }
            renamed => {
                renamed.and(self.sync().await)?;
                tokio::fs::remove_dir_all(unfinished.keep()).await?;
                Ok(())
            }
        }
    }

    async fn existing(&self, app: &AppName, env: &EnvName) -> Option<PathBuf> {
        let path = self.path(app, env);
        tokio::fs::try_exists(&path).await.unwrap_or(false).then_some(path)
    }

    /// A rename is on the disk when its directory is.
    async fn sync(&self) -> Result<(), IoError> {
        let directory: &Path = &self.directory;
        tokio::fs::File::open(directory).await?.sync_all().await
    }
}

/// Someone else made it meanwhile: theirs has the same first commit.
fn is_taken(error: &IoError) -> bool {
    matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repositorys_name_says_whose_it_is_and_nothing_else_does() {
        let (app, env) = Repositories::owners("my-app-prod.git").unwrap();
        assert_eq!((app.as_str(), env.as_str()), ("my-app", "prod"));
        let others = [
            "hello-prod",
            "hello.git",
            "../hello-prod.git",
            "hello-prod.git/",
            "..",
            "",
            ".git",
            "-.git",
            ".hooks",
            "Hello-prod.git",
            "hello-prod.git.git",
            "a\0b-prod.git",
        ];
        for name in others {
            assert!(Repositories::owners(name).is_none(), "{name:?}");
        }
    }
}
