//! `index.json`: which images there are.

use super::Store;
use crate::disk;
use crate::document::Index;
use crate::error::{Context as _, Error};

impl Store {
    /// The index as it is. Read without the lock: it is replaced whole.
    pub(super) fn read_index(&self) -> Result<Index, Error> {
        let path = self.index_path();
        let bytes = std::fs::read(&path).on("read", &path)?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Malformed { what: String::from("index"), source })
    }

    /// Changes the index under the lock; writes it only if `change` says that it did.
    pub(super) fn change_index(
        &self,
        change: impl FnOnce(&mut Index) -> bool,
    ) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut index = self.read_index()?;
        if change(&mut index) {
            index.manifests.sort_by_key(|image| image.digest);
            self.write_index(&index)?;
        }
        Ok(())
    }

    /// Replaces the index; the caller holds the lock.
    pub(super) fn write_index(&self, index: &Index) -> Result<(), Error> {
        let json = serde_json::to_vec(index).expect("an index is plain data");
        disk::replace(&self.index_path(), &json)
    }
}
