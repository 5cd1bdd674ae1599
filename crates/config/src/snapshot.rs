//! The three files of one commit.

use crate::error::{CheckError, ReadError};
use crate::git::DEADLINE;
use crate::objects::{Found, Objects};
use crate::{GitError, Revision, git};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::{Configuration, ConfigurationFile};
use kiln_protocol::document::MAX_FILE_BYTES;
use std::path::Path;

/// The branch that is the configuration's history.
pub(crate) const MAIN: &str = "refs/heads/main";

/// The three files as they stand in one commit, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub commit: CommitId,
    /// `application-properties.json`.
    pub properties: String,
    /// `launch-data.json`.
    pub launch: String,
    /// `deployment-params.json`.
    pub params: String,
}

impl Snapshot {
    /// The text of one file.
    #[must_use]
    pub fn text(&self, file: ConfigurationFile) -> &str {
        match file {
            ConfigurationFile::Properties => &self.properties,
            ConfigurationFile::Launch => &self.launch,
            ConfigurationFile::Params => &self.params,
        }
    }

    /// What the files say.
    ///
    /// # Errors
    /// [`CheckError::Invalid`] with the first mistake, its file and its line.
    pub fn configuration(&self) -> Result<Configuration, CheckError> {
        Configuration::parse(&self.properties, &self.launch, &self.params).map_err(|invalid| {
            CheckError::Invalid { commit: self.commit, invalid: Box::new(invalid) }
        })
    }

    /// Reads the commit that `revision` means. The commit is settled first and the files are asked
    /// for by its id, so that they belong together whatever else happens meanwhile.
    pub(crate) async fn read(
        repository: &Path,
        (app, env): (&AppName, &EnvName),
        revision: &Revision,
    ) -> Result<Self, ReadError> {
        let work = async {
            let mut objects = Objects::open(repository)?;
            let head = objects.commit(MAIN).await?;
            let head = head.ok_or_else(|| ReadError::NotFound(app.clone(), env.clone()))?;
            let commit = resolve(repository, &mut objects, revision, head).await?;
            let mut files = Files { objects, commit };
            Ok(Self {
                commit,
                properties: files.text(ConfigurationFile::Properties).await?,
                launch: files.text(ConfigurationFile::Launch).await?,
                params: files.text(ConfigurationFile::Params).await?,
            })
        };
        tokio::time::timeout(DEADLINE, work).await.map_err(|_| GitError::Deadline)?
    }
}

/// The commit that is meant, if it is on the main branch.
async fn resolve(
    repository: &Path,
    objects: &mut Objects,
    revision: &Revision,
    head: CommitId,
) -> Result<CommitId, ReadError> {
    let unknown = || ReadError::UnknownRevision(revision.clone());
    let name = match revision {
        Revision::Before(0) => return Ok(head),
        Revision::Before(count) => format!("{head}~{count}"),
        Revision::Commit(commit) => commit.to_string(),
        Revision::Prefix(digits) => digits.clone(),
    };
    let commit = match objects.find(&format!("{name}^{{commit}}")).await? {
        Found::One { id, .. } => crate::objects::commit_id(&id)?,
        Found::Several => return Err(ReadError::Ambiguous(revision.clone())),
        Found::Nothing => return Err(unknown()),
    };
    // A branch may be named like the beginning of a commit; the branch is not meant.
    let meant = match revision {
        Revision::Prefix(digits) => commit.to_string().starts_with(digits),
        Revision::Before(_) | Revision::Commit(_) => true,
    };
    let ours = matches!(revision, Revision::Before(_)) || commit == head;
    match meant && (ours || is_ancestor(repository, commit, head).await?) {
        true => Ok(commit),
        false => Err(unknown()),
    }
}

async fn is_ancestor(
    repository: &Path,
    commit: CommitId,
    head: CommitId,
) -> Result<bool, GitError> {
    let (commit, head) = (commit.to_string(), head.to_string());
    let arguments = ["merge-base", "--is-ancestor", &commit, &head];
    let output = git::run(repository, &arguments, b"").await?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(output.failure("merge-base")),
    }
}

/// The files of one commit.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) objects: Objects,
    pub(crate) commit: CommitId,
}

impl Files {
    pub(crate) async fn text(&mut self, file: ConfigurationFile) -> Result<String, ReadError> {
        let commit = self.commit;
        let content = self.content(file).await?;
        let content = content.ok_or(ReadError::MissingFile { file, commit })?;
        String::from_utf8(content).map_err(|_| ReadError::NotText { file, commit })
    }

    /// The bytes of a file, if the commit has it.
    async fn content(&mut self, file: ConfigurationFile) -> Result<Option<Vec<u8>>, ReadError> {
        let name = format!("{}:{file}", self.commit);
        match self.objects.find(&name).await? {
            Found::One { size, .. } if size > MAX_FILE_BYTES => {
                Err(ReadError::TooLong { file, commit: self.commit })
            }
            Found::One { id, size } => Ok(Some(self.objects.content(&id, size).await?)),
            Found::Nothing | Found::Several => Ok(None),
        }
    }

    /// Whether the commit has exactly `content` as this file. A file that cannot be valid is not it.
    pub(crate) async fn holds(
        &mut self,
        file: ConfigurationFile,
        content: &[u8],
    ) -> Result<bool, GitError> {
        let name = format!("{}:{file}", self.commit);
        match self.objects.find(&name).await? {
            Found::One { id, size } if size == content.len() => {
                Ok(self.objects.content(&id, size).await? == content)
            }
            _ => Ok(false),
        }
    }
}
