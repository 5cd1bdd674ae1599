//! Writing commits: one `git fast-import` stores the content, makes the commit and moves the branch.
//!
//! Guarantees: the branch moves only from the commit that the new one was made for. fast-import
//! refuses a tip that the old tip is not an ancestor of, and takes the reference's lock for the
//! move, so that of two changes made for one commit the second fails and changes nothing.

use crate::error::PutError;
use crate::git::{self, GitError};
use crate::objects::{Objects, commit_id};
use crate::snapshot::{Files, MAIN};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::ConfigurationFile;
use std::path::Path;

/// The longest message and the longest author, in characters; more is cut.
const MAX_MESSAGE: usize = 8 << 10;
const MAX_AUTHOR: usize = 200;

/// A change that someone makes.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// Why; not blank.
    pub message: &'a str,
    /// Who.
    pub author: &'a str,
    /// When: seconds since 1970.
    pub when: u64,
    /// The commit that it is made for. `None`: whichever is the newest when it arrives.
    pub expect: Option<CommitId>,
}

/// What a change has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// This commit was added.
    Committed(CommitId),
    /// The file already had this content; this is the newest commit.
    Unchanged(CommitId),
}

impl PutOutcome {
    /// The newest commit.
    #[must_use]
    pub const fn commit(self) -> CommitId {
        match self {
            Self::Committed(commit) | Self::Unchanged(commit) => commit,
        }
    }
}

/// Replaces one file; the caller has seen that the repository is there.
pub(crate) async fn put(
    repository: &Path,
    (app, env): (&AppName, &EnvName),
    file: ConfigurationFile,
    content: &[u8],
    put: &Put<'_>,
) -> Result<PutOutcome, PutError> {
    let text = std::str::from_utf8(content).map_err(|_| PutError::NotText(file))?;
    file.check(text)?;
    if put.message.trim().is_empty() {
        return Err(PutError::NoMessage);
    }
    let (current, same) = look(repository, file, content).await?;
    let current = current.ok_or_else(|| PutError::NotFound(app.clone(), env.clone()))?;
    match put.expect {
        Some(expected) if expected != current => Err(PutError::Conflict { expected, current }),
        _ if same => Ok(PutOutcome::Unchanged(current)),
        _ => commit_on(repository, current, file, content, put).await,
    }
}

/// The newest commit, and whether its file is `content` already.
async fn look(
    repository: &Path,
    file: ConfigurationFile,
    content: &[u8],
) -> Result<(Option<CommitId>, bool), GitError> {
    let work = async {
        let mut objects = Objects::open(repository)?;
        let Some(commit) = objects.commit(MAIN).await? else { return Ok((None, false)) };
        let same = Files { objects, commit }.holds(file, content).await?;
        Ok((Some(commit), same))
    };
    tokio::time::timeout(git::DEADLINE, work).await.map_err(|_| GitError::Deadline)?
}

async fn commit_on(
    repository: &Path,
    current: CommitId,
    file: ConfigurationFile,
    content: &[u8],
    put: &Put<'_>,
) -> Result<PutOutcome, PutError> {
    let stream = Stream::commit(put, Some(current)).file(file, content).end();
    match import(repository, &stream).await {
        Ok(commit) => Ok(PutOutcome::Committed(commit)),
        Err(error) => match look(repository, file, content).await?.0 {
            Some(now) if now != current => {
                Err(PutError::Conflict { expected: current, current: now })
            }
            _ => Err(error.into()),
        },
    }
}

/// Makes the first commit of a new repository: the same bytes, so the same id, everywhere.
pub(crate) async fn first_commit(repository: &Path) -> Result<CommitId, GitError> {
    let put = Put { message: "Defaults", author: "Kiln", when: 0, expect: None };
    let files = ConfigurationFile::ALL.into_iter();
    let stream = files.fold(Stream::commit(&put, None), |stream, file| {
        stream.file(file, file.first_text().as_bytes())
    });
    import(repository, &stream.end()).await
}

async fn import(repository: &Path, stream: &[u8]) -> Result<CommitId, GitError> {
    let output = git::run(repository, &["fast-import", "--quiet", "--done"], stream).await?;
    commit_id(output.success("fast-import")?.trim())
}

/// The language of fast-import; every text goes in with its length before it.
struct Stream(Vec<u8>);

impl Stream {
    fn commit(put: &Put<'_>, from: Option<CommitId>) -> Self {
        let who = format!("{} <> {} +0000", author(put.author), put.when);
        let mut stream = Self(Vec::new());
        stream.line(&format!("commit {MAIN}\nmark :1\nauthor {who}\ncommitter {who}"));
        stream.data(message(put.message).as_bytes());
        if let Some(parent) = from {
            stream.line(&format!("from {parent}"));
        }
        stream
    }

    fn file(mut self, file: ConfigurationFile, content: &[u8]) -> Self {
        self.line(&format!("M 100644 inline {file}"));
        self.data(content);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.line("\nget-mark :1\ndone");
        self.0
    }

    fn line(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'\n');
    }

    fn data(&mut self, content: &[u8]) {
        self.line(&format!("data {}", content.len()));
        self.0.extend_from_slice(content);
        self.0.push(b'\n');
    }
}

/// A name that cannot end the line or begin the address.
fn author(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>'));
    let kept: String = kept.take(MAX_AUTHOR).collect();
    match kept.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

fn message(text: &str) -> String {
    let kept = text.trim().chars().filter(|c| !c.is_control() || *c == '\n');
    kept.take(MAX_MESSAGE).chain(['\n']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_and_messages_cannot_leave_their_place() {
        assert_eq!(author("Zoë <z@x>\n\nfrom cafe"), "Zoë z@xfrom cafe");
        assert_eq!(author(" \n<>"), "unknown");
        assert_eq!(message(" why\0\n\nbecause\u{1b}[2J \n"), "why\n\nbecause[2J\n");
        assert_eq!(message(&"x".repeat(10_000)).len(), MAX_MESSAGE + 1);
    }

    #[test]
    fn a_stream_says_the_length_of_every_text() {
        let put = Put { message: "m", author: "a", when: 7, expect: None };
        let stream = Stream::commit(&put, None).file(ConfigurationFile::Launch, b"[\"\ndone\n\"]");
        let expected = "commit refs/heads/main\nmark :1\nauthor a <> 7 +0000\n\
                        committer a <> 7 +0000\ndata 2\nm\n\nM 100644 inline launch-data.json\n\
                        data 10\n[\"\ndone\n\"]\n\nget-mark :1\ndone\n";
        assert_eq!(String::from_utf8(stream.end()).unwrap(), expected);
    }
}
