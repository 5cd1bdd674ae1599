//! What a baked image is called, and the record of it.

use crate::bakery::Bakery;
use crate::layers::Notes;
use crate::{BakeError, dates};
use kiln_names::{AppName, Digest, Version};
use kiln_protocol::bake::NewBake;
use kiln_store::audit::By;
use kiln_store::images::{self, ImageRow, Named, VersionRow};
use kiln_store::{Connection, Read, Write};

impl Bakery {
    /// Records the image and names it, if it is to have a name; says whether all of that was so
    /// already.
    pub(crate) async fn record(
        &self,
        image: &ImageRow,
        new: &NewBake,
        notes: Notes,
        by: &By,
    ) -> Result<(Option<Version>, bool), BakeError> {
        if new.unnamed {
            return Ok((None, self.record_unnamed(image, notes, by).await?));
        }
        let (version, cached) = self.record_named(image, new, notes, by).await?;
        Ok((Some(version), cached))
    }

    async fn record_unnamed(
        &self,
        image: &ImageRow,
        mut notes: Notes,
        by: &By,
    ) -> Result<bool, BakeError> {
        let known = images::image(&mut *self.db.read().await?, &image.digest).await?.is_some();
        if known && notes.is_empty() {
            return Ok(true);
        }
        let mut write = self.db.write().await?;
        notes.write(&mut write, by.at_ms).await?;
        images::add_image(&mut write, image).await?;
        write.commit().await?;
        Ok(known)
    }

    async fn record_named(
        &self,
        image: &ImageRow,
        new: &NewBake,
        mut notes: Notes,
        by: &By,
    ) -> Result<(Version, bool), BakeError> {
        if notes.is_empty()
            && let Some(version) = named(&mut self.db.read().await?, new, &image.digest).await?
        {
            return Ok((version, true));
        }
        let mut write = self.db.write().await?;
        notes.write(&mut write, by.at_ms).await?;
        images::add_image(&mut write, image).await?;
        let version = match &new.version {
            Some(version) => version.clone(),
            None => dated(&mut write, new, &image.digest, by.at_ms).await?,
        };
        let (app, digest, created_ms) = (new.app.clone(), image.digest, by.at_ms);
        let row = VersionRow { app, version, digest, created_ms };
        let cached = match images::add_version(&mut write, &row, by).await? {
            Named::Added => false,
            Named::AlreadySo => true,
            Named::Taken(existing) => {
                let VersionRow { app, version, digest: baked, .. } = row;
                return Err(BakeError::Conflict { app, version, existing, baked });
            }
        };
        write.commit().await?;
        Ok((row.version, cached))
    }
}

/// The version that this bake would give the image, if the image has it already.
async fn named(db: &mut Read, new: &NewBake, image: &Digest) -> Result<Option<Version>, BakeError> {
    let row = match &new.version {
        Some(version) => images::version(db, &new.app, version).await?,
        None => newest_dated(db, &new.app).await?,
    };
    Ok(row.filter(|row| row.digest == *image).map(|row| row.version))
}

/// The version for an image that was not given one: the newest such version if it is the same
/// content, or else the next number of the day.
async fn dated(
    db: &mut Write,
    new: &NewBake,
    image: &Digest,
    at_ms: u64,
) -> Result<Version, BakeError> {
    let newest = newest_dated(db, &new.app).await?;
    if let Some(newest) = newest.filter(|row| row.digest == *image) {
        return Ok(newest.version);
    }
    let day = dates::day(at_ms);
    let taken = images::versions_like(db, &new.app, &format!("{day}.*"), u32::MAX).await?;
    Ok(dates::next(&day, taken.iter().map(|row| &row.version)))
}

async fn newest_dated(db: &mut Connection, app: &AppName) -> Result<Option<VersionRow>, BakeError> {
    Ok(images::versions_like(db, app, dates::PATTERN, 1).await?.pop())
}
