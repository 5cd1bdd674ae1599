//! Images from elsewhere: taken from an archive, recorded, named.

use crate::bakery::{Bakery, blocking};
use crate::{BakeError, BakeEvent, RunnableError, runnable};
use kiln_image::{Choice, ImportError};
use kiln_names::{AppName, Digest, Platform, Version};
use kiln_protocol::image::{ArchiveChoice, Imported, NewImage};
use kiln_store::audit::{self, By};
use kiln_store::images::{self, ImageRow, Named, VersionRow};
use serde_json::json;
use std::ops::ControlFlow;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// Why an archive gave no image. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It was not sent.
    #[error("find the archive {0}: send it first")]
    Missing(
        /// Its digest.
        Digest,
    ),
    /// It has no such image, or one that is not what it says.
    #[error(transparent)]
    Image(#[from] ImportError),
    /// It did not get done.
    #[error(transparent)]
    Bake(#[from] BakeError),
}

/// Why an image was not imported. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum NotImported {
    /// Half a name.
    #[error("name the image: an application and a version are wanted together")]
    HalfNamed,
    /// The image says that it is another application's.
    #[error("name the image {asked}'s: it was baked for {of}")]
    OtherApp {
        /// What it was to be named.
        asked: AppName,
        /// What its labels say.
        of: AppName,
    },
    /// The archive gave no image.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What it runs cannot be told.
    #[error(transparent)]
    Runs(#[from] RunnableError),
    /// It could not be kept or named.
    #[error(transparent)]
    Bake(#[from] BakeError),
}

impl Bakery {
    /// Takes an image from an archive and names it, if it is to have a name.
    ///
    /// # Cancellation
    /// Dropping the receiver of `events` ends the import before its next layer; nothing is named.
    ///
    /// # Errors
    /// [`NotImported`].
    pub async fn import(
        &self,
        new: &NewImage,
        by: &By,
        events: &Sender<BakeEvent>,
    ) -> Result<Imported, NotImported> {
        let started = Instant::now();
        let name = match (&new.app, &new.version) {
            (Some(app), Some(version)) => Some((app.clone(), version.clone())),
            (None, None) => None,
            _ => return Err(NotImported::HalfNamed),
        };
        let _turn = self.turn(&format!("archive {}", new.archive)).await;
        let image = self.take_in(&new.archive, &new.choice, events).await?;
        let store = self.images.clone();
        let read = blocking(move || {
            let image = store.image(&image)?;
            let runs = runnable(&store, &image);
            Ok((image, runs))
        });
        let (kept, runs) = read.await?;
        let of = runs?.app;
        if let (Some((asked, _)), Some(of)) = (&name, of)
            && *asked != of
        {
            return Err(NotImported::OtherApp { asked: asked.clone(), of });
        }
        let cached = self.record_import(image, name.clone(), by).await?;
        self.forget_archive(new.archive).await?;
        let (app, version) = name.unzip();
        let bytes = kept.layers.iter().map(|layer| layer.bytes).sum();
        let seconds = started.elapsed().as_secs_f64();
        Ok(Imported { image, app, version, cached, bytes, seconds })
    }

    /// One image of an archive that was sent, in the image store.
    pub(crate) async fn take_in(
        &self,
        archive: &Digest,
        choice: &ArchiveChoice,
        events: &Sender<BakeEvent>,
    ) -> Result<Digest, ArchiveError> {
        let ArchiveChoice { name, platform } = choice.clone();
        let choice = Choice { name, platform: platform.unwrap_or_else(Platform::here) };
        let (images, archive, events) = (self.images.clone(), *archive, events.clone());
        if !images.has_blob(&archive) {
            return Err(ArchiveError::Missing(archive));
        }
        let import = blocking(move || {
            let file = images.open_blob(&archive)?;
            Ok(images.import(file, &choice, |layer| {
                let (index, total) = (layer.index, layer.total);
                let step = format!("unpack layer {index} of {total}");
                let told = events.blocking_send(BakeEvent::StepStarted { index, total, step });
                if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            }))
        });
        match import.await? {
            Err(ImportError::Abandoned) => Err(BakeError::Abandoned.into()),
            other => Ok(other?),
        }
    }

    /// The archive has served: all that is wanted of it is in the store.
    pub(crate) async fn forget_archive(&self, archive: Digest) -> Result<(), BakeError> {
        let images = self.images.clone();
        blocking(move || Ok(images.remove_blob(&archive)?)).await
    }

    /// Records the image; says whether it was recorded before, with that name if it is to have one.
    async fn record_import(
        &self,
        image: Digest,
        name: Option<(AppName, Version)>,
        by: &By,
    ) -> Result<bool, BakeError> {
        let mut write = self.db.write().await?;
        let known = images::image(&mut write, &image).await?.is_some();
        let row = ImageRow {
            digest: image,
            app: name.as_ref().map(|(app, _)| app.clone()),
            base: None,
            created_ms: by.at_ms,
            facts: json!({"layers": [], "imported": true}),
        };
        images::add_image(&mut write, &row).await?;
        let Some((app, version)) = name else {
            audit::record(&mut write, by, &json!({"did": "import image", "image": image})).await?;
            write.commit().await?;
            return Ok(known);
        };
        let row = VersionRow { app, version, digest: image, created_ms: by.at_ms };
        let cached = match images::add_version(&mut write, &row, by).await? {
            Named::Added => false,
            Named::AlreadySo => true,
            Named::Taken(existing) => {
                let VersionRow { app, version, digest: baked, .. } = row;
                return Err(BakeError::Conflict { app, version, existing, baked });
            }
        };
        write.commit().await?;
        Ok(cached)
    }
}
