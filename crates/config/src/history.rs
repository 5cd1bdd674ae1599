//! The commits of a configuration.

use crate::git::{self, GitError};
use crate::objects::commit_id;
use crate::snapshot::MAIN;
use kiln_names::CommitId;
use std::path::Path;

/// The most commits that one look at the history gives.
pub(crate) const MAX_ENTRIES: u32 = 1_000;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub commit: CommitId,
    /// Who made it.
    pub author: String,
    /// When: seconds since 1970.
    pub when: i64,
    /// Why, without blanks around it.
    pub message: String,
}

/// The newest commits first, at most `limit`.
pub(crate) async fn log(repository: &Path, limit: u32) -> Result<Vec<LogEntry>, GitError> {
    let count = format!("--max-count={}", limit.min(MAX_ENTRIES));
    let format = "--format=%H%x00%an%x00%at%x00%B";
    let arguments = ["log", "-z", "--no-color", format, &count, MAIN, "--"];
    let text = git::run(repository, &arguments, b"").await?.success("log")?;
    entries(&text)
}

/// Four texts for each commit; none of them can hold the NUL that ends each.
fn entries(text: &str) -> Result<Vec<LogEntry>, GitError> {
    let mut fields = text.split('\0');
    let mut entries = Vec::new();
    while let Some(commit) = fields.next().filter(|commit| !commit.is_empty()) {
        let mut field = || fields.next().ok_or_else(|| GitError::Answer(commit.to_owned()));
        let (author, when, message) = (field()?, field()?, field()?);
        entries.push(LogEntry {
            commit: commit_id(commit)?,
            author: author.to_owned(),
            when: when.parse().map_err(|_| GitError::Answer(when.to_owned()))?,
            message: message.trim().to_owned(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_four_texts_at_a_time() {
        let id = "6311791b29a56a76b362aa86d6f1ed09cf9dcd3c";
        let text = format!("{id}\0a b\x007\0why\n\nbecause\n\0{id}\0\0-1\0\0");
        let found = entries(&text).unwrap();
        assert_eq!((found[0].author.as_str(), found[0].when), ("a b", 7));
        assert_eq!((found[0].message.as_str(), found[1].when), ("why\n\nbecause", -1));
        assert_eq!(entries("").unwrap(), []);
        assert!(entries("cafe\0a\x007\0m").is_err());
        assert!(entries(&format!("{id}\0a")).is_err());
    }
}
