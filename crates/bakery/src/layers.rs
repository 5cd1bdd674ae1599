//! From steps to layers: the one that is there already, or a new one.

use crate::bakery::blocking;
use crate::chain::Chain;
use crate::oven::Oven;
use crate::packages::{self, Asked, PackageFile, Resolved};
use crate::plan::Step;
use crate::workspace::Workspace;
use crate::{BakeError, BakeEvent, context};
use kiln_image::{CopyEntry, Layer, Store};
use kiln_names::Digest;
use kiln_protocol::bake::BakedLayer;
use kiln_store::bakes::{self, CachedLayer};
use kiln_store::{Database, StoreError, Write};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// A cached layer that was of use is noted as such once a day: more often would write to disk at
/// every bake, less often could lose it to a clean-up by age.
const NOTED_MS: u64 = 24 * 60 * 60 * 1000;

/// The layers of a bake so far.
#[derive(Debug)]
pub(crate) struct Layers<'b> {
    pub(crate) db: &'b Database,
    pub(crate) images: &'b Store,
    pub(crate) oven: &'b Arc<Oven>,
    pub(crate) events: &'b Sender<BakeEvent>,
    pub(crate) now_ms: u64,
    /// Ask the package manager again.
    pub(crate) refresh: bool,
    /// All of them by diff id, the base's first.
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) chain: Chain,
    /// The steps' own.
    pub(crate) baked: Vec<BakedLayer>,
    /// The packages that were in package files, by name.
    pub(crate) of_files: BTreeSet<String>,
    pub(crate) notes: Notes,
    /// What is not told yet: a bake that lacks files begins again, and nobody wants to hear of its
    /// first steps twice.
    pub(crate) held: Option<Vec<BakeEvent>>,
}

/// What is to be written into the bake cache, with whatever else is written next.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    layers: Vec<(Digest, CachedLayer)>,
    findings: Vec<(Digest, Value)>,
}

impl Notes {
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.findings.is_empty()
    }

    pub(crate) fn layer(&mut self, key: Digest, layer: CachedLayer) {
        self.layers.push((key, layer));
    }

    pub(crate) fn finding(&mut self, key: Digest, found: Value) {
        self.findings.push((key, found));
    }

    pub(crate) async fn write(&mut self, db: &mut Write, now_ms: u64) -> Result<(), StoreError> {
        for (key, layer) in std::mem::take(&mut self.layers) {
            bakes::keep_layer(db, &key, layer, now_ms).await?;
        }
        for (key, found) in std::mem::take(&mut self.findings) {
            bakes::keep_finding(db, &key, &found, now_ms).await?;
        }
        Ok(())
    }
}

impl Layers<'_> {
    /// Bakes all steps, in order.
    pub(crate) async fn bake(&mut self, steps: &[Step]) -> Result<(), BakeError> {
        self.held = Some(Vec::new());
        for (at, step) in steps.iter().enumerate() {
            let started = Instant::now();
            let (index, total, text) = (at + 1, steps.len(), step.to_string());
            self.tell(BakeEvent::StepStarted { index, total, step: text }).await?;
            let (layer, cached) = match self.known(step).await? {
                Some(layer) => (layer, true),
                None => {
                    if self.held.is_some() {
                        self.check_sent(&steps[at..]).await?;
                        self.release().await?;
                    }
                    self.make(step).await?
                }
            };
            self.push(step.kind(), layer, cached, started).await?;
        }
        self.release().await
    }

    /// Tells what was held back, and from now on at once.
    async fn release(&mut self) -> Result<(), BakeError> {
        for event in self.held.take().unwrap_or_default() {
            self.tell(event).await?;
        }
        Ok(())
    }

    /// Puts a layer on top, and tells of it.
    pub(crate) async fn push(
        &mut self,
        step: &str,
        layer: CachedLayer,
        cached: bool,
        started: Instant,
    ) -> Result<(), BakeError> {
        let CachedLayer { diff_id, bytes } = layer;
        let baked = BakedLayer { step: step.to_owned(), diff_id, bytes, cached };
        self.diff_ids.push(diff_id);
        self.chain = self.chain.then(&diff_id);
        self.baked.push(baked.clone());
        let seconds = started.elapsed().as_secs_f64();
        self.tell(BakeEvent::StepDone { layer: baked, seconds }).await
    }

    pub(crate) async fn tell(&mut self, event: BakeEvent) -> Result<(), BakeError> {
        if let Some(held) = &mut self.held {
            held.push(event);
            return Ok(());
        }
        self.events.send(event).await.map_err(|_| BakeError::Abandoned)
    }

    /// The layer with this key, if it is in the cache and in the image store.
    pub(crate) async fn cached(&mut self, key: Digest) -> Result<Option<CachedLayer>, BakeError> {
        let found = bakes::cached_layer(&mut *self.db.read().await?, &key).await?;
        let found = found.filter(|(layer, _)| self.images.has_layer(&layer.diff_id));
        if let Some((layer, used_ms)) = found
            && used_ms.saturating_add(NOTED_MS) < self.now_ms
        {
            self.notes.layer(key, layer);
        }
        Ok(found.map(|(layer, _)| layer))
    }

    /// Writes down what is known by now: the work of minutes is not lost when a later step fails.
    pub(crate) async fn save(&mut self) -> Result<(), BakeError> {
        let mut write = self.db.write().await?;
        self.notes.write(&mut write, self.now_ms).await?;
        Ok(write.commit().await?)
    }

    /// The layer that `step` would leave, if that is known.
    async fn known(&mut self, step: &Step) -> Result<Option<CachedLayer>, BakeError> {
        let Some(asked) = step.asked() else { return self.cached(step.key(self.chain)).await };
        let Some(resolved) = self.resolved(step).await? else { return Ok(None) };
        self.cached(asked.key(self.chain, &resolved)).await
    }

    /// What the packages of `step` were resolved to, unless that is to be asked again.
    async fn resolved(&mut self, step: &Step) -> Result<Option<Vec<Resolved>>, BakeError> {
        if self.refresh {
            return Ok(None);
        }
        let key = step.key(self.chain);
        let found = bakes::finding(&mut *self.db.read().await?, &key).await?;
        let found: Option<Vec<Resolved>> =
            found.and_then(|found| serde_json::from_value(found).ok());
        self.note_files(found.as_deref().unwrap_or_default());
        Ok(found)
    }

    fn note_files(&mut self, resolved: &[Resolved]) {
        let of_files = resolved.iter().filter(|it| it.from_file);
        self.of_files.extend(of_files.map(|it| it.name.clone()));
    }

    /// Whether all files that the steps may read are there.
    async fn check_sent(&self, steps: &[Step]) -> Result<(), BakeError> {
        let mut wanted: Vec<Digest> = steps.iter().flat_map(blobs).collect();
        wanted.sort();
        wanted.dedup();
        let images = self.images.clone();
        blocking(move || {
            wanted.retain(|digest| !images.has_blob(digest));
            if wanted.is_empty() { Ok(()) } else { Err(BakeError::MissingBlobs(wanted)) }
        })
        .await
    }

    /// Does what the step says; says whether that led to a layer that was there.
    async fn make(&mut self, step: &Step) -> Result<(CachedLayer, bool), BakeError> {
        let layer = match step {
            Step::Packages(asked) => return self.install(step, Asked::Packages(asked)).await,
            Step::Install(files) => return self.install(step, Asked::Files(files)).await,
            Step::Run(command) => self.run(step, command).await?,
            Step::Copy { entries, .. } => self.copy(step.key(self.chain), entries).await?,
        };
        Ok((layer, false))
    }

    async fn run(&mut self, step: &Step, command: &str) -> Result<CachedLayer, BakeError> {
        let mut workspace = self.workspace().await?;
        let command = ["/bin/sh", "-c", command].map(str::to_owned);
        workspace.run(&step.to_string(), command.into(), self.events).await?;
        self.keep(step.key(self.chain), workspace).await
    }

    async fn install(
        &mut self,
        step: &Step,
        asked: Asked<'_>,
    ) -> Result<(CachedLayer, bool), BakeError> {
        let mut workspace = self.workspace().await?;
        if let Asked::Files(files) = asked {
            workspace.offer(files).await?;
        }
        let text = step.to_string();
        let resolved = match self.resolved(step).await? {
            Some(resolved) => {
                if let Some(update) = asked.update_command(&resolved) {
                    workspace.run(&text, update, self.events).await?;
                }
                resolved
            }
            None => {
                let said = workspace.run(&text, asked.resolve_command(), self.events);
                let resolved = packages::read_plan(&said.await?)?;
                self.note_files(&resolved);
                resolved
            }
        };
        let key = asked.key(self.chain, &resolved);
        let found = serde_json::to_value(&resolved).expect("names and versions become JSON");
        self.notes.finding(step.key(self.chain), found);
        if let Some(layer) = self.cached(key).await? {
            return Ok((layer, true));
        }
        workspace.run(&text, asked.install_command(&resolved), self.events).await?;
        Ok((self.keep(key, workspace).await?, false))
    }

    pub(crate) async fn copy(
        &mut self,
        key: Digest,
        entries: &[CopyEntry],
    ) -> Result<CachedLayer, BakeError> {
        let (images, entries, below) =
            (self.images.clone(), entries.to_vec(), self.diff_ids.clone());
        let layer = blocking(move || Ok(images.copy_layer(&entries, &below)?)).await?;
        let layer = cached_form(layer);
        // Quickly made again, so it is written down together with the image.
        self.notes.layer(key, layer);
        Ok(layer)
    }

    async fn workspace(&self) -> Result<Workspace, BakeError> {
        Workspace::open(self.oven, self.images, &self.diff_ids).await
    }

    async fn keep(&mut self, key: Digest, workspace: Workspace) -> Result<CachedLayer, BakeError> {
        let layer = cached_form(workspace.commit().await?);
        self.notes.layer(key, layer);
        self.save().await?;
        Ok(layer)
    }
}

pub(crate) fn cached_form(layer: Layer) -> CachedLayer {
    CachedLayer { diff_id: layer.diff_id, bytes: layer.bytes }
}

/// The files that a step reads.
fn blobs(step: &Step) -> Vec<Digest> {
    match step {
        Step::Install(files) => PackageFile::digests(files),
        Step::Copy { entries, .. } => context::blobs(entries).collect(),
        Step::Packages(_) | Step::Run(_) => Vec::new(),
    }
}
