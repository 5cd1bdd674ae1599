//! Garbage collection: what no kept image is made of goes.

use super::Store;
use crate::error::{Context as _, Error};
use crate::remove::remove_tree;
use kiln_names::Digest;
use std::collections::BTreeSet;
use std::path::Path;

/// What a collection removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Images that were not among the roots.
    pub images: usize,
    /// Unpacked layers.
    pub layers: usize,
    /// Blobs of every kind.
    pub blobs: usize,
    /// The length of those blobs together.
    pub bytes: u64,
}

impl Store {
    /// Removes all images except `roots`, and all blobs and unpacked layers that neither they nor
    /// `extra` (layers and blobs) need. Nothing is removed unless all roots can be read.
    ///
    /// # Assumptions
    /// `roots` holds the images of all running instances, whose root file systems these directories
    /// are, and `extra` what bakes in progress have made: the caller knows both.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Mismatch`] for a root that is damaged; [`Error::Io`].
    pub fn gc(&self, roots: &[Digest], extra: &[Digest]) -> Result<Collected, Error> {
        let _lock = self.lock()?;
        let mut index = self.read_index()?;
        let before = index.manifests.len();
        index.manifests.retain(|image| roots.contains(&image.digest));
        let mut live: BTreeSet<Digest> = extra.iter().copied().collect();
        for image in &index.manifests {
            live.insert(image.digest);
            live.extend(self.parts(&image.digest)?);
            live.extend(self.image(&image.digest)?.layers.iter().map(|layer| layer.diff_id));
        }
        let images = before - index.manifests.len();
        if images > 0 {
            self.write_index(&index)?;
        }
        let mut collected = Collected { images, ..Collected::default() };
        self.sweep_layers(&live, &mut collected)?;
        self.sweep_blobs(&live, &mut collected)?;
        Ok(collected)
    }

    fn sweep_layers(&self, live: &BTreeSet<Digest>, to: &mut Collected) -> Result<(), Error> {
        for diff_id in digests_in(&self.root().join("layers"))? {
            if !live.contains(&diff_id) {
                let _lock = self.lock_layer(&diff_id);
                self.discard_unpacked(&diff_id)?;
                to.layers += 1;
            }
        }
        Ok(())
    }

    fn sweep_blobs(&self, live: &BTreeSet<Digest>, to: &mut Collected) -> Result<(), Error> {
        for digest in digests_in(&self.root().join("blobs/sha256"))? {
            if !live.contains(&digest) {
                to.bytes += self.blob_size("blob", &digest)?;
                remove_tree(&self.blob_path(&digest))?;
                to.blobs += 1;
            }
        }
        Ok(())
    }
}

/// The entries of `dir` that are named by a digest; others are not ours to remove.
fn digests_in(dir: &Path) -> Result<Vec<Digest>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).on("list", dir)? {
        let name = entry.on("list", dir)?.file_name();
        found.extend(Digest::parse(&format!("sha256:{}", name.to_string_lossy())));
    }
    Ok(found)
}
