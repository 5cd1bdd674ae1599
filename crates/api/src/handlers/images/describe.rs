//! Images in the protocol's words.

use kiln_bakery::{Runnable, has_init, runnable};
use kiln_image::{Error, PackageChange, Store};
use kiln_names::{AppName, Digest};
use kiln_protocol::Timestamp;
use kiln_protocol::bake::BakedLayer;
use kiln_protocol::deployment::Difference;
use kiln_protocol::image::{Image, ImageDiff, ImageLayer, ImageProcess, ImageSummary};
use kiln_store::images::{self, ImageRow, VersionRow};
use kiln_store::{Connection, StoreError};
use serde::Deserialize as _;
use std::collections::{BTreeMap, BTreeSet};

/// The most images of one list.
const MAX_LISTED: u32 = 10_000;

/// An image and its names, the newest first.
type Named = (Digest, u64, Vec<String>);

/// The images that have names, the one named last first.
pub(super) async fn rows(
    db: &mut Connection,
    app: Option<&AppName>,
) -> Result<Vec<Named>, StoreError> {
    let mut found: Vec<Named> = Vec::new();
    for row in images::versions(db, app, MAX_LISTED).await? {
        let name = name(&row);
        match found.iter_mut().find(|(digest, ..)| *digest == row.digest) {
            Some((.., names)) => names.push(name),
            None => found.push((row.digest, row.created_ms, vec![name])),
        }
    }
    Ok(found)
}

/// The images from elsewhere that have no name.
pub(super) async fn unnamed(db: &mut Connection) -> Result<Vec<Named>, StoreError> {
    let rows = images::unnamed_imports(db).await?;
    Ok(rows.into_iter().map(|row| (row.digest, row.created_ms, Vec::new())).collect())
}

/// The same with their sizes; one that is damaged is listed with none.
pub(super) fn summaries(store: &Store, rows: Vec<Named>) -> Result<Vec<ImageSummary>, Error> {
    let summary = |(image, created_ms, versions): Named| {
        let layers = store.image(&image).map(|image| image.layers).unwrap_or_default();
        let bytes = layers.iter().map(|layer| layer.bytes).sum();
        ImageSummary { image, versions, bytes, baked: Timestamp(created_ms) }
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// One image. What it runs is left out where that cannot be told: a deployment says why.
pub(super) fn image(
    store: &Store,
    row: &ImageRow,
    versions: &[VersionRow],
    kept: &kiln_image::Image,
) -> Image {
    let steps = Vec::<BakedLayer>::deserialize(&row.facts["layers"]).unwrap_or_default();
    let step = |diff_id: &Digest| {
        steps.iter().find(|layer| layer.diff_id == *diff_id).map(|layer| layer.step.clone())
    };
    let layers = kept.layers.iter().zip(&kept.blobs).map(|(layer, blob)| ImageLayer {
        digest: *blob,
        diff_id: layer.diff_id,
        bytes: layer.bytes,
        step: step(&layer.diff_id),
    });
    Image {
        image: row.digest,
        versions: versions.iter().map(name).collect(),
        baked: Timestamp(row.created_ms),
        architecture: kept.config.architecture.clone(),
        layers: layers.collect(),
        processes: runnable(store, kept).map(processes).unwrap_or_default(),
        foreign: !has_init(kept),
    }
}

/// How two images differ: in packages, and in the processes that they can run.
pub(super) fn diff(store: &Store, old: &Digest, new: &Digest) -> Result<ImageDiff, Error> {
    let changes = store.package_changes(old, new)?.into_iter();
    let packages = changes.map(|PackageChange { name, old, new }| Difference {
        kind: "packages".to_owned(),
        name,
        old,
        new,
    });
    let (before, after) = (store.image(old)?, store.image(new)?);
    let differences = packages.chain(changed(&commands(store, &before), &commands(store, &after)));
    let layers = |image: &kiln_image::Image, other: &kiln_image::Image| {
        let known = |layer: &&kiln_image::Layer| {
            !other.layers.iter().any(|other| other.diff_id == layer.diff_id)
        };
        image.layers.iter().filter(known).map(|layer| layer.bytes).sum()
    };
    Ok(ImageDiff {
        old: *old,
        new: *new,
        bytes_only_in_old: layers(&before, &after),
        bytes_only_in_new: layers(&after, &before),
        differences: differences.collect(),
    })
}

/// What each process runs, in one line.
fn commands(store: &Store, image: &kiln_image::Image) -> BTreeMap<String, String> {
    let line = |process: ImageProcess| {
        let port = process.port.map(|port| format!(", port {port}")).unwrap_or_default();
        let text = format!("{} as {}{port}", process.command.join(" "), process.user);
        (process.name.to_string(), text)
    };
    let shown = runnable(store, image).map(processes).unwrap_or_default();
    shown.into_iter().map(line).collect()
}

fn changed(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Difference> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let difference = |name: &String| Difference {
        kind: "processes".to_owned(),
        name: name.clone(),
        old: old.get(name).cloned(),
        new: new.get(name).cloned(),
    };
    differ.map(difference).collect()
}

fn processes(runs: Runnable) -> Vec<ImageProcess> {
    let shown = runs.processes.iter().map(|(name, process)| ImageProcess {
        name: name.clone(),
        command: process.command.clone(),
        port: process.port.map(std::num::NonZero::get),
        user: format!("{}:{}", process.uid, process.gid),
    });
    shown.collect()
}

fn name(row: &VersionRow) -> String {
    format!("{}:{}", row.app, row.version)
}
