//! A configuration's whole history in one file, as git bundles it, and back.

use crate::Repositories;
use crate::error::EnsureError;
use crate::git::{self, GitError};
use crate::repositories::UNFINISHED;
use kiln_names::{AppName, EnvName};
use std::path::Path;

/// The branch that a configuration is.
const BRANCH: &str = "refs/heads/main";

impl Repositories {
    /// Writes the history of an application's configuration to `to`.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn bundle(&self, app: &AppName, env: &EnvName, to: &Path) -> Result<(), GitError> {
        let to = to.to_string_lossy();
        let arguments = ["bundle", "create", "--quiet", &to, BRANCH];
        git::run(&self.path(app, env), &arguments, b"").await?.success("bundle").map(drop)
    }

    /// Makes the repository of an application's configuration from such a file. Every object is
    /// checked, and nothing else than the history is taken from it.
    ///
    /// # Errors
    /// [`EnsureError`]; nothing half made is left to be seen.
    pub async fn unbundle(
        &self,
        app: &AppName,
        env: &EnvName,
        from: &Path,
    ) -> Result<(), EnsureError> {
        let unfinished =
            tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(self.directory())?;
        let made = unfinished.path().join("made");
        let init = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
        git::run(&made, &init, b"").await?.success("init")?;
        let from = from.canonicalize()?;
        let from = from.to_string_lossy();
        let all = format!("+{BRANCH}:{BRANCH}");
        let fetch = ["-c", "transfer.fsckObjects=true", "fetch", "--quiet", "--no-tags"];
        let fetch = [&fetch[..], &[&*from, all.as_str()]].concat();
        git::run(&made, &fetch, b"").await?.success("fetch")?;
        tokio::fs::rename(&made, self.path(app, env)).await?;
        Ok(())
    }
}
