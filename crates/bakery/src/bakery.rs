//! The bakery: who may bake when, and a bake from recipe to named image.

use crate::chain::Chain;
use crate::context::Context;
use crate::finish::Finishing;
use crate::layers::{Layers, Notes};
use crate::{BakeError, BakeEvent, dates, plan};
use kiln_container::{Attachment, Bridge, Limits};
use kiln_image::{Image, Store};
use kiln_names::{AppName, BaseName, ByteSize, Digest, InstallId, InstanceId, Version};
use kiln_protocol::bake::{Baked, NewBake};
use kiln_protocol::recipe::Recipe;
use kiln_store::audit::By;
use kiln_store::images::{ImageRow, Named, VersionRow};
use kiln_store::{Database, Read, bakes, images};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bakes run at once. More would only slow one another down on small machines.
const PARALLEL: usize = 4;
/// What one step may use: a package manager takes a tenth of it, compilers may take more.
const STEP_LIMITS: Limits =
    Limits { memory: Some(ByteSize::mib(4096)), cpu_millis: None, pids: Some(4096) };

/// Where and how steps run.
#[derive(Clone)]
pub struct Settings {
    /// The binary that runs as `kiln shim`.
    pub exe: PathBuf,
    /// Whose steps they are.
    pub install: InstallId,
    /// The bridge that steps join to reach package mirrors; without one they reach nothing.
    pub bridge: Option<Bridge>,
    /// Makes fresh random ids.
    pub ids: Arc<dyn Fn() -> InstanceId + Send + Sync>,
    /// What one step may use.
    pub limits: Limits,
}

impl Settings {
    /// Settings with the usual limits.
    pub fn new(
        exe: PathBuf,
        install: InstallId,
        bridge: Option<Bridge>,
        ids: impl Fn() -> InstanceId + Send + Sync + 'static,
    ) -> Self {
        Self { exe, install, bridge, ids: Arc::new(ids), limits: STEP_LIMITS }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exe, install, bridge, limits, ids: _ } = self;
        f.debug_struct("Settings")
            .field("exe", exe)
            .field("install", install)
            .field("bridge", bridge)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// Bakes. Cheap to clone; all clones are the same bakery.
#[derive(Debug, Clone)]
pub struct Bakery {
    pub(crate) db: Database,
    pub(crate) images: Store,
    pub(crate) oven: Arc<Oven>,
    permits: Arc<Semaphore>,
    /// One bake per application at a time; entries are as few as applications.
    apps: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    /// Held shared by bakes and alone by whoever removes garbage.
    quiet: Arc<RwLock<()>>,
}

/// Bakes are in progress: what they have made so far must not be taken for garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wait for the bakes in progress: their layers belong to no image yet")]
pub struct Busy;

/// What all steps share.
#[derive(Debug)]
pub(crate) struct Oven {
    pub(crate) settings: Settings,
    /// The host number given out last: an address is used again as late as possible.
    last_host: Mutex<u8>,
}

/// The right to bake now.
#[derive(Debug)]
pub(crate) struct Turn {
    _app: OwnedMutexGuard<()>,
    _permit: OwnedSemaphorePermit,
    _quiet: OwnedRwLockReadGuard<()>,
}

impl Bakery {
    /// A bakery that keeps what it makes in `db` and `images`.
    #[must_use]
    pub fn new(db: Database, images: Store, settings: Settings) -> Self {
        Self {
            db,
            images,
            oven: Arc::new(Oven { settings, last_host: Mutex::new(1) }),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            apps: Arc::default(),
            quiet: Arc::default(),
        }
    }

    /// Bakes an image, or finds it baked, and names it. The files of the recipe are in the image
    /// store by their digests.
    ///
    /// A bake waits for its turn: one per application at a time, and a few in all.
    ///
    /// # Cancellation
    /// Dropping the future, or the receiver of `events`, ends what runs and names nothing.
    ///
    /// # Errors
    /// [`BakeError`]; [`BakeError::MissingBlobs`] lists what is to be sent before asking again.
    pub async fn bake(
        &self,
        new: &NewBake,
        by: &By,
        events: &Sender<BakeEvent>,
    ) -> Result<Baked, BakeError> {
        let started = Instant::now();
        let recipe = Recipe::parse(&new.recipe)?;
        if recipe.app != new.app {
            return Err(BakeError::OtherApp { asked: new.app.clone(), recipe: recipe.app });
        }
        let steps = plan::steps(&recipe.image, &Context::check(&new.context)?)?;
        let _turn = self.turn(&format!("app {}", new.app)).await;
        let name = new.base.as_ref().unwrap_or(&recipe.image.base);
        let base = self.base_image(name).await?;
        let mut layers = self.layers_on(&base, by, events);
        layers.refresh = new.refresh;
        Box::pin(layers.bake(&steps)).await?;
        let finishing = Finishing {
            app: &new.app,
            base: format!("{name}@{}", base.digest),
            base_config: &base.config,
            processes: &recipe.processes,
        };
        let image = self.finish(&finishing, &mut layers).await?;
        let row = ImageRow {
            digest: image,
            app: Some(new.app.clone()),
            base: Some(base.digest),
            created_ms: by.at_ms,
            facts: json!({"layers": layers.baked}),
        };
        let (version, cached) = self.record(&row, new, layers.notes, by).await?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Baked { image, app: new.app.clone(), version, cached, layers: layers.baked, seconds })
    }

    /// Keeps bakes from starting, so that garbage can be removed from the image store: what it must
    /// spare is then exactly what [`images::references`] says.
    ///
    /// # Errors
    /// [`Busy`] while a bake is in progress.
    pub fn quiet(&self) -> Result<OwnedRwLockWriteGuard<()>, Busy> {
        self.quiet.clone().try_write_owned().map_err(|_| Busy)
    }

    pub(crate) async fn turn(&self, whose: &str) -> Turn {
        let queue = {
            let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
            apps.entry(whose.to_owned()).or_default().clone()
        };
        let app = queue.lock_owned().await;
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        Turn { _app: app, _permit: permit, _quiet: self.quiet.clone().read_owned().await }
    }

    pub(crate) fn layers_on<'b>(
        &'b self,
        base: &Image,
        by: &By,
        events: &'b Sender<BakeEvent>,
    ) -> Layers<'b> {
        let diff_ids: Vec<Digest> = base.layers.iter().map(|layer| layer.diff_id).collect();
        self.layers(diff_ids, by, events)
    }

    pub(crate) fn layers<'b>(
        &'b self,
        diff_ids: Vec<Digest>,
        by: &By,
        events: &'b Sender<BakeEvent>,
    ) -> Layers<'b> {
        Layers {
            db: &self.db,
            images: &self.images,
            oven: &self.oven,
            events,
            now_ms: by.at_ms,
            refresh: false,
            chain: Chain::of(&diff_ids),
            diff_ids,
            baked: Vec::new(),
            notes: Notes::default(),
        }
    }

    async fn base_image(&self, name: &BaseName) -> Result<Image, BakeError> {
        let mut read = self.db.read().await?;
        let Some(base) = bakes::base(&mut read, name).await? else {
            let known = bakes::bases(&mut read).await?.into_iter().map(|base| base.name).collect();
            return Err(BakeError::NoBase { base: name.clone(), known });
        };
        Ok(self.images.image(&base.digest)?)
    }

    /// The image of these layers: the one that was made of them before, or a new one.
    async fn finish(
        &self,
        finishing: &Finishing<'_>,
        layers: &mut Layers<'_>,
    ) -> Result<Digest, BakeError> {
        let Finishing { app, base, processes, .. } = finishing;
        let key = layers.chain.key("image", &(app, base, processes));
        let found = bakes::finding(&mut *self.db.read().await?, &key).await?;
        let found = found.as_ref().and_then(|found| Digest::parse(found.as_str()?).ok());
        if let Some(image) = found.filter(|image| self.images.image(image).is_ok()) {
            return Ok(image);
        }
        // Looking up a few paths and writing two small documents takes as long as changing threads.
        let config = finishing.config(&self.images.stack(&layers.diff_ids)?)?;
        let (images, diff_ids) = (self.images.clone(), layers.diff_ids.clone());
        let image = blocking(move || Ok(images.put_image(config, &diff_ids)?)).await?;
        layers.notes.finding(key, json!(image));
        Ok(image)
    }

    /// Names the image, and says whether it had the name already.
    async fn record(
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
    db: &mut kiln_store::Write,
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

async fn newest_dated(
    db: &mut kiln_store::Connection,
    app: &AppName,
) -> Result<Option<VersionRow>, BakeError> {
    Ok(images::versions_like(db, app, dates::PATTERN, 1).await?.pop())
}

impl Oven {
    /// Where the next container joins the bridge.
    pub(crate) fn attachment(&self) -> Option<Attachment> {
        let bridge = self.settings.bridge.as_ref()?;
        let mut last = self.last_host.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if *last >= 254 { 2 } else { *last + 1 };
        bridge.attach(*last)
    }
}

/// Does what blocks on the disk where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BakeError> + Send + 'static,
) -> Result<T, BakeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The server is on its way out.
        Err(_) => Err(BakeError::Abandoned),
    }
}
