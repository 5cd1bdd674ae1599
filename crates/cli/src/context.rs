//! What a bake needs of a directory: what the recipe copies and installs, and nothing else.

pub(crate) mod blob;
mod links;
mod packages;
mod walk;

use crate::CliError;
use blob::Blob;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use kiln_client::Client;
use kiln_names::Digest;
use kiln_protocol::bake::ContextEntry;
use kiln_protocol::recipe::Recipe;
use std::collections::BTreeMap;
use std::path::Path;

/// The most entries of a context: a large repository with its dependencies.
const MAX_ENTRIES: usize = 100_000;

/// The most bytes of a context's files together.
const MAX_BYTES: u64 = 8 << 30;

/// The deepest that directories may lie within one another.
const MAX_DEPTH: usize = 64;

/// How many files are sent at once: enough to keep the line and the server's disk busy.
const SENDERS: usize = 4;

/// The files of a directory that a bake needs.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Sorted by path.
    pub(crate) entries: Vec<ContextEntry>,
    /// Where the content of each digest is.
    files: BTreeMap<Digest, Blob>,
}

impl Context {
    /// Reads what `recipe` copies and installs from `directory`, and hashes it.
    pub(crate) fn read(directory: &Path, recipe: &Recipe) -> Result<Self, CliError> {
        let mut walk = walk::Walk::new(directory);
        for copy in &recipe.image.copy {
            walk.source(copy.from.as_str())?;
        }
        for pattern in &recipe.image.install {
            walk.package_files(pattern)?;
        }
        let (entries, files) = walk.finish();
        Ok(Self { entries, files })
    }

    /// Sends the content that the server lacks.
    pub(crate) async fn send(&self, client: &Client, missing: &[Digest]) -> Result<(), CliError> {
        let blobs = missing.iter().map(|digest| self.files.get(digest).ok_or(digest));
        let sent = stream::iter(blobs).map(async |blob| match blob {
            Ok(blob) => blob.send(client).await,
            Err(digest) => {
                Err(CliError::internal(format!("the server asks for {digest}, not ours")))
            }
        });
        sent.buffer_unordered(SENDERS).try_collect().await
    }
}

#[cfg(test)]
mod tests;
