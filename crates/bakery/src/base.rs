//! Bases: what all images share, with `kiln-init` as their last layer.

use crate::bakery::{Bakery, blocking};
use crate::debootstrap::debootstrap;
use crate::layers::{Layers, cached_form};
use crate::scrub::scrub;
use crate::{ArchiveError, BakeError, BakeEvent, disk_time};
use kiln_container::KILN_INIT;
use kiln_image::{Clamp, CopyEntry, CopyKind, CopySource, ImageConfig, Limits, Staging, Store};
use kiln_init::PROGRAM;
use kiln_names::{BaseName, Digest, Invalid, Platform};
use kiln_protocol::bake::NewBase;
use kiln_protocol::image::ArchiveChoice;
use kiln_protocol::recipe::Package;
use kiln_store::audit::By;
use kiln_store::bakes::{self, BaseRow, CachedLayer};
use kiln_store::images::{self, ImageRow};
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc::Sender;

/// What a base stands on before `kiln-init` is put on top.
struct Ground {
    /// The digest of what it was made from.
    key: Digest,
    config: ImageConfig,
}

const SECOND: Duration = Duration::from_secs(1);

/// Why there is no base. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The archive was not sent.
    #[error("find the archive {0}: send it first")]
    NoArchive(
        /// Its digest.
        Digest,
    ),
    /// The archive of an image gave none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A suite or a package that cannot be one.
    #[error("read what the base is made of")]
    Invalid(#[from] Invalid),
    /// It did not get done.
    #[error(transparent)]
    Bake(#[from] BakeError),
}

impl Bakery {
    /// Bakes a base and lets `name` stand for it from now on; images that were baked on the one
    /// before keep it. The same archive gives the same base at once.
    ///
    /// # Cancellation
    /// Dropping the future leaves the name as it was.
    ///
    /// # Errors
    /// [`BaseError`].
    pub async fn bake_base(
        &self,
        name: &BaseName,
        new: &NewBase,
        by: &By,
        events: &Sender<BakeEvent>,
    ) -> Result<BaseRow, BaseError> {
        let _turn = self.turn(&format!("base {name}")).await;
        let mut layers = self.layers(Vec::new(), by, events);
        let Ground { key, config } = match new {
            NewBase::Oci { archive, choice } => {
                self.of_image(&mut layers, archive, choice, events).await?
            }
            _ => self.of_rootfs(&mut layers, new).await?,
        };
        self.add_init(&mut layers).await?;
        let (images, diff_ids) = (self.images.clone(), layers.diff_ids.clone());
        let image = blocking(move || Ok(images.put_image(config, &diff_ids)?)).await?;
        let base = BaseRow {
            name: name.clone(),
            digest: image,
            key,
            provenance: serde_json::to_value(new).expect("a request is plain data"),
            created_ms: by.at_ms,
        };
        self.record_base(&base, &mut layers, by).await?;
        if let NewBase::Oci { archive, .. } = new {
            self.forget_archive(*archive).await?;
        }
        Ok(base)
    }

    /// One layer: a distribution's packages, or an archive of a root file system.
    async fn of_rootfs(&self, layers: &mut Layers<'_>, new: &NewBase) -> Result<Ground, BaseError> {
        if let NewBase::Rootfs { archive } = new {
            self.require(layers, archive).await?;
        }
        let started = Instant::now();
        let (index, total, step) = (1, 2, first_step(new));
        layers.tell(BakeEvent::StepStarted { index, total, step }).await?;
        let (rootfs, cached) = match new {
            NewBase::Debootstrap { suite, include } => {
                (self.debootstrap(layers, suite, include).await?, false)
            }
            NewBase::Rootfs { archive } | NewBase::Oci { archive, .. } => {
                self.unpack_rootfs(layers, archive).await?
            }
        };
        layers.push("rootfs", rootfs, cached, started).await?;
        Ok(Ground { key: rootfs.diff_id, config: base_config() })
    }

    /// The layers of an image from elsewhere, as they are, and the variables that it sets.
    async fn of_image(
        &self,
        layers: &mut Layers<'_>,
        archive: &Digest,
        choice: &ArchiveChoice,
        events: &Sender<BakeEvent>,
    ) -> Result<Ground, BaseError> {
        let image = self.take_in(archive, choice, events).await?;
        let (images, digest) = (self.images.clone(), image);
        let image = blocking(move || Ok(images.image(&digest)?)).await?;
        for (started, layer) in image.layers.iter().map(|layer| (Instant::now(), *layer)) {
            layers.push("image", cached_form(layer), false, started).await?;
        }
        let config = ImageConfig { env: image.config.env, ..base_config() };
        Ok(Ground { key: image.digest, config })
    }

    /// Asks for the archive before anything is told of the bake, unless its layer is there.
    async fn require(&self, layers: &mut Layers<'_>, archive: &Digest) -> Result<(), BaseError> {
        let key = layers.chain.key("rootfs", archive);
        let there = self.images.has_blob(archive) || layers.cached(key).await?.is_some();
        if there { Ok(()) } else { Err(BaseError::NoArchive(*archive)) }
    }

    async fn unpack_rootfs(
        &self,
        layers: &mut Layers<'_>,
        archive: &Digest,
    ) -> Result<(CachedLayer, bool), BaseError> {
        let key = layers.chain.key("rootfs", archive);
        if let Some(layer) = layers.cached(key).await? {
            return Ok((layer, true));
        }
        let (images, archive) = (self.images.clone(), *archive);
        let layer = blocking(move || {
            let staging = images.unpack_rootfs_blob(&archive, Limits::default())?;
            // Times of an archive were set by whoever made it; what is scrubbed is of today.
            let start = disk_time::now(&staging)?;
            commit(&images, staging, start)
        });
        let layer = layer.await?;
        layers.notes.layer(key, layer);
        Ok((layer, false))
    }

    async fn debootstrap(
        &self,
        layers: &mut Layers<'_>,
        suite: &str,
        include: &[String],
    ) -> Result<CachedLayer, BaseError> {
        let parse = |name: &String| Package::parse(name);
        let include = include.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        // A suite is named as packages are, and is as little to be taken for an option.
        let suite = Package::parse(suite)?;
        // The archive has whole seconds.
        let start = disk_time::now(&self.images.staging().map_err(BakeError::from)?)? - SECOND;
        let staging = debootstrap(&self.images, suite.as_str(), &include, layers.events).await?;
        let images = self.images.clone();
        Ok(blocking(move || commit(&images, staging, start)).await?)
    }

    /// Puts `kiln-init` on top.
    async fn add_init(&self, layers: &mut Layers<'_>) -> Result<(), BakeError> {
        let started = Instant::now();
        let (index, total, step) = (2, 2, format!("copy kiln-init to {PROGRAM}"));
        layers.tell(BakeEvent::StepStarted { index, total, step }).await?;
        let digest = Digest::of(KILN_INIT);
        let key = layers.chain.key("init", &digest);
        let (layer, cached) = match layers.cached(key).await? {
            Some(layer) => (layer, true),
            None => {
                let images = self.images.clone();
                blocking(move || Ok(images.cache_blob(&digest, KILN_INIT)?)).await?;
                let kind = CopyKind::File(CopySource::Blob(digest));
                let entry = CopyEntry { path: PROGRAM.to_owned(), mode: 0o755, kind };
                (layers.copy(key, &[entry]).await?, false)
            }
        };
        layers.push("init", layer, cached, started).await
    }

    async fn record_base(
        &self,
        base: &BaseRow,
        layers: &mut Layers<'_>,
        by: &By,
    ) -> Result<(), BakeError> {
        let row = ImageRow {
            digest: base.digest,
            app: None,
            base: None,
            created_ms: by.at_ms,
            facts: json!({"layers": layers.baked}),
        };
        let mut write = self.db.write().await?;
        layers.notes.write(&mut write, by.at_ms).await?;
        images::add_image(&mut write, &row).await?;
        bakes::set_base(&mut write, base, by).await?;
        Ok(write.commit().await?)
    }
}

fn first_step(new: &NewBase) -> String {
    match new {
        NewBase::Debootstrap { suite, include } if include.is_empty() => {
            format!("debootstrap {suite}")
        }
        NewBase::Debootstrap { suite, include } => {
            format!("debootstrap {suite} with {}", include.join(" "))
        }
        NewBase::Rootfs { archive } => format!("rootfs {}", archive.short()),
        NewBase::Oci { archive, .. } => format!("image {}", archive.short()),
    }
}

fn commit(images: &Store, staging: Staging, start: SystemTime) -> Result<CachedLayer, BakeError> {
    scrub(&staging.root()).map_err(BakeError::io("scrub the root file system"))?;
    Ok(cached_form(images.commit_layer(staging, Clamp::from_start(start))?))
}

fn base_config() -> ImageConfig {
    ImageConfig {
        architecture: Platform::here().architecture().to_owned(),
        entrypoint: vec![PROGRAM.to_owned()],
        ..ImageConfig::default()
    }
}
