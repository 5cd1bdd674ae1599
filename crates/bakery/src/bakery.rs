//! The bakery: who may bake when, and a bake from recipe to named image.

use crate::chain::Chain;
use crate::finish::Finishing;
use crate::layers::{Layers, Notes};
use crate::order::{Order, Runs};
use crate::oven::{Oven, Settings};
use crate::{BakeError, BakeEvent};
use kiln_image::{Image, Store};
use kiln_names::{BaseName, Digest};
use kiln_protocol::bake::{Baked, NewBake};
use kiln_store::audit::By;
use kiln_store::images::ImageRow;
use kiln_store::{Database, bakes};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bakes run at once. More would only slow one another down on small machines.
const PARALLEL: usize = 4;

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
            oven: Arc::new(Oven::new(settings)),
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
        let order = Order::read(new)?;
        let _turn = self.turn(&format!("app {}", new.app)).await;
        let base = self.base_image(&order.base).await?;
        let mut layers = self.layers_on(&base, by, events);
        layers.refresh = new.refresh;
        Box::pin(layers.bake(&order.steps)).await?;
        let tree = || Ok(self.images.stack(&layers.diff_ids)?);
        let Runs { processes, env } = order.service.runs(tree, &layers.of_files)?;
        let finishing = Finishing {
            app: &new.app,
            base: format!("{}@{}", order.base, base.digest),
            base_config: &base.config,
            processes: &processes,
            env: &env,
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
    /// spare is then exactly what [`kiln_store::images::references`] says.
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
            of_files: BTreeSet::new(),
            notes: Notes::default(),
            held: None,
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
        let Finishing { app, base, processes, env, .. } = finishing;
        let key = layers.chain.key("image", &(app, base, processes, env));
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
