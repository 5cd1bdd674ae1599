//! Walking the sources of copies.

use super::blob::Blob;
use super::links::leaves;
use super::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
use crate::CliError;
use kiln_names::Digest;
use kiln_protocol::bake::{ContextContent, ContextEntry};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What was found so far.
pub(super) struct Walk<'d> {
    directory: &'d Path,
    entries: BTreeMap<String, ContextEntry>,
    files: BTreeMap<Digest, Blob>,
    bytes: u64,
}

impl<'d> Walk<'d> {
    pub(super) fn new(directory: &'d Path) -> Self {
        Self { directory, entries: BTreeMap::new(), files: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn finish(self) -> (Vec<ContextEntry>, BTreeMap<Digest, Blob>) {
        (self.entries.into_values().collect(), self.files)
    }

    /// Takes a file, or a directory with all that lies beneath; `.` is the directory itself.
    pub(super) fn source(&mut self, from: &str) -> Result<(), CliError> {
        if from == "." {
            return self.children("", 0);
        }
        let mut way = String::new();
        for segment in from.split('/') {
            join(&mut way, segment);
            if self.look(&way)?.is_symlink() {
                let message = format!("{way} is a link; copy what it points to instead");
                return Err(CliError::invalid(message));
            }
        }
        self.entry(from, 0)
    }

    fn entry(&mut self, path: &str, depth: usize) -> Result<(), CliError> {
        if self.entries.contains_key(path) {
            return Ok(());
        }
        let metadata = self.look(path)?;
        let content = self.content(path, &metadata)?;
        let is_directory = content == ContextContent::Directory;
        let mode = metadata.permissions().mode() & 0o7777;
        self.entries.insert(path.to_owned(), ContextEntry { path: path.to_owned(), mode, content });
        if self.entries.len() > MAX_ENTRIES {
            return Err(CliError::invalid(format!(
                "the context has more than {MAX_ENTRIES} files"
            )));
        }
        if is_directory { self.children(path, depth + 1) } else { Ok(()) }
    }

    fn children(&mut self, path: &str, depth: usize) -> Result<(), CliError> {
        if depth > MAX_DEPTH {
            return Err(CliError::invalid(format!("{path} lies deeper than {MAX_DEPTH} levels")));
        }
        let place = self.place(path);
        let failed = |error: &std::io::Error| CliError::file(&place, error);
        for child in std::fs::read_dir(&place).map_err(|error| failed(&error))? {
            let name = child.map_err(|error| failed(&error))?.file_name();
            let Some(name) = name.to_str() else {
                let message = format!("{} holds a name that is not UTF-8", place.display());
                return Err(CliError::invalid(message));
            };
            let mut child = path.to_owned();
            join(&mut child, name);
            self.entry(&child, depth)?;
        }
        Ok(())
    }

    fn content(&mut self, path: &str, metadata: &Metadata) -> Result<ContextContent, CliError> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            Ok(ContextContent::Directory)
        } else if kind.is_symlink() {
            self.link(path)
        } else if kind.is_file() {
            self.file(path)
        } else {
            Err(CliError::invalid(format!("{path} is neither a file, a directory nor a link")))
        }
    }

    fn link(&self, path: &str) -> Result<ContextContent, CliError> {
        let place = self.place(path);
        let target = std::fs::read_link(&place).map_err(|error| CliError::file(&place, &error))?;
        let Some(target) = target.to_str() else {
            return Err(CliError::invalid(format!("{path} links to a name that is not UTF-8")));
        };
        if leaves(path, target) {
            let message = format!("{path} links to {target}, which is outside the directory");
            return Err(CliError::invalid(message));
        }
        Ok(ContextContent::Link { target: target.to_owned() })
    }

    fn file(&mut self, path: &str) -> Result<ContextContent, CliError> {
        let blob = Blob::of_file(&self.place(path))?;
        let content = ContextContent::File { digest: blob.digest, size: blob.size };
        self.bytes += blob.size;
        if self.bytes > MAX_BYTES {
            let limit = crate::words::size(MAX_BYTES);
            return Err(CliError::invalid(format!("the context is larger than {limit}")));
        }
        self.files.entry(blob.digest).or_insert(blob);
        Ok(content)
    }

    pub(super) fn look(&self, path: &str) -> Result<Metadata, CliError> {
        let place = self.place(path);
        std::fs::symlink_metadata(&place).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                CliError::invalid(format!("the recipe copies {path}, which is not there"))
            }
            _ => CliError::file(&place, &error),
        })
    }

    pub(super) fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.directory.to_owned() } else { self.directory.join(path) }
    }
}

pub(super) fn join(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}
