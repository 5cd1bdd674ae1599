//! Package files: those that a recipe's patterns mean, and those that were named on the command line.

use super::Context;
use super::blob::Blob;
use super::walk::{Walk, join};
use crate::CliError;
use kiln_protocol::bake::{ContextContent, ContextEntry};
use kiln_protocol::recipe::{FilePattern, NamePattern};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

/// What the files themselves say of their mode means nothing to a package manager.
const MODE: u32 = 0o644;

impl Walk<'_> {
    /// Takes the files that `pattern` means.
    pub(super) fn package_files(&mut self, pattern: &FilePattern) -> Result<(), CliError> {
        let mut found = vec![String::new()];
        for name in pattern.segments() {
            let ways = std::mem::take(&mut found);
            for way in ways {
                found.extend(self.named(&way, name)?);
            }
        }
        if found.is_empty() {
            let message = format!("the recipe installs {pattern}, and there is no such file");
            return Err(CliError::invalid(message));
        }
        for path in found {
            self.source(&path)?;
            if !self.look(&path)?.is_file() {
                return Err(CliError::invalid(format!("{path} is not a package file")));
            }
        }
        Ok(())
    }

    /// What is called `name` in the directory `way`; nothing when that is no directory.
    fn named(&self, way: &str, name: NamePattern<'_>) -> Result<Vec<String>, CliError> {
        let below = |name: &str| {
            let mut path = way.to_owned();
            join(&mut path, name);
            path
        };
        let place = self.place(way);
        if let Some(name) = name.literal() {
            let there = place.join(name).symlink_metadata().is_ok();
            return Ok(there.then(|| below(name)).into_iter().collect());
        }
        let names = match std::fs::read_dir(&place) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Vec::new());
            }
            names => names.map_err(|error| CliError::file(&place, &error))?,
        };
        let mut found = Vec::new();
        for entry in names {
            let entry = entry.map_err(|error| CliError::file(&place, &error))?.file_name();
            found.extend(entry.to_str().filter(|entry| name.matches(entry)).map(below));
        }
        Ok(found)
    }
}

impl Context {
    /// The files themselves, wherever they are.
    pub(crate) fn of_packages(paths: &[PathBuf]) -> Result<Self, CliError> {
        let (mut entries, mut files) = (BTreeMap::new(), BTreeMap::new());
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| name.ends_with(".deb")) else {
                let message =
                    format!("{} is not a package: their names end with .deb", path.display());
                return Err(CliError::invalid(message));
            };
            let blob = Blob::of_file(path)?;
            let content = ContextContent::File { digest: blob.digest, size: blob.size };
            let entry = ContextEntry { path: name.to_owned(), mode: MODE, content };
            if entries.insert(name.to_owned(), entry).is_some() {
                return Err(CliError::invalid(format!("two packages are called {name}")));
            }
            files.insert(blob.digest, blob);
        }
        Ok(Self { entries: entries.into_values().collect(), files })
    }
}
