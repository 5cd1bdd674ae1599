//! Images.

mod archive;
mod describe;
pub(super) mod find;

pub(crate) use archive::{__path_export, __path_import, export, import};

use super::blocking;
use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_names::{AppName, Digest, ImageRef, Span};
use kiln_protocol::image::{Collected, Image, ImageDiff, ImageSummary};
use kiln_protocol::{Code, paths};
use kiln_store::audit::By;
use kiln_store::{Connection, StoreError, bakes, groups, images, releases};
use serde::Deserialize;

/// For how long a layer that no image refers to is worth keeping for the next bake.
const UNUSED_MS: u64 = 30 * 86_400_000;

/// An image younger than this may be about to be deployed.
const YOUNG: Span = Span::seconds(86_400);

/// Whose.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfApp {
    /// Only those of this application.
    #[param(value_type = Option<String>)]
    app: Option<AppName>,
}

/// Lists the images, the newest first.
#[utoipa::path(get, path = paths::IMAGES, tag = "images", params(OfApp),
    responses((status = 200, body = [ImageSummary])))]
pub(crate) async fn list(
    State(app): Shared,
    Parameters(of): Parameters<OfApp>,
) -> Answer<Vec<ImageSummary>> {
    let mut db = app.database.read().await?;
    let mut rows = describe::rows(&mut db, of.app.as_ref()).await?;
    if of.app.is_none() {
        rows.extend(describe::unnamed(&mut db).await?);
    }
    drop(db);
    let store = app.images.clone();
    Ok(Json(blocking(move || describe::summaries(&store, rows)).await?))
}

/// Shows an image.
#[utoipa::path(get, path = paths::IMAGE, tag = "images", responses((status = 200, body = Image)))]
pub(crate) async fn show(State(app): Shared, Names(image): Names<ImageRef>) -> Answer<Image> {
    let mut db = app.database.read().await?;
    let digest = find::resolve(&mut db, &image).await?;
    let row = images::image(&mut db, &digest).await?.ok_or_else(|| find::not_found(&image))?;
    let versions = images::versions_of(&mut db, &digest).await?;
    let store = app.images.clone();
    let described = blocking(move || {
        let kept = store.image(&digest)?;
        Ok::<_, kiln_image::Error>(describe::image(&store, &row, &versions, &kept))
    });
    Ok(Json(described.await?))
}

/// Shows how two images differ.
#[utoipa::path(get, path = paths::IMAGE_DIFF, tag = "images",
    responses((status = 200, body = ImageDiff)))]
pub(crate) async fn diff(
    State(app): Shared,
    Names((old, new)): Names<(ImageRef, ImageRef)>,
) -> Answer<ImageDiff> {
    let mut db = app.database.read().await?;
    let old = find::resolve(&mut db, &old).await?;
    let new = find::resolve(&mut db, &new).await?;
    drop(db);
    let store = app.images.clone();
    Ok(Json(blocking(move || describe::diff(&store, &old, &new)).await?))
}

/// Removes an image that nothing uses, with its names.
#[utoipa::path(delete, path = paths::IMAGE, tag = "images", responses((status = 204)))]
pub(crate) async fn remove(
    State(app): Shared,
    Caller(by): Caller,
    Names(image): Names<ImageRef>,
) -> Result<StatusCode, Refusal> {
    let mut write = app.database.write().await?;
    let digest = find::resolve(&mut write, &image).await?;
    let run = app.runner.as_ref().filter(|runner| runner.images().contains(&digest));
    if run.is_some() {
        let detail = format!("image {} is in use: a run is in progress", digest.short());
        return Err(Refusal::new(Code::InUse, detail));
    }
    if let Some(user) = user_of(&mut write, &digest).await? {
        let detail = format!("image {} is in use: {user}", digest.short());
        return Err(Refusal::new(Code::InUse, detail));
    }
    if !images::remove_image(&mut write, &digest, &by).await? {
        return Err(find::not_found(&image));
    }
    write.commit().await?;
    let store = app.images.clone();
    blocking(move || store.remove(&digest)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What stands on an image: a base's name, or a group that could need another instance.
async fn user_of(db: &mut Connection, image: &Digest) -> Result<Option<String>, StoreError> {
    let bases = bakes::bases(&mut *db).await?;
    if let Some(base) = bases.into_iter().find(|base| base.digest == *image) {
        return Ok(Some(format!("base {}", base.name)));
    }
    for (app, env) in groups::clusters(&mut *db).await? {
        for group in groups::here(&mut *db, &app, &env).await? {
            let release = releases::get(&mut *db, group.release).await?.unwrap_or_default();
            if release.contains(&image.to_string()) {
                return Ok(Some(format!("group {}", group.name)));
            }
        }
    }
    Ok(None)
}

/// Which images are old enough to go.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Older {
    /// Only those baked longer ago than this; a day unless told.
    #[param(value_type = Option<String>)]
    older: Option<Span>,
}

/// Removes the images that no group, rollback, deployment or base needs, and frees the space of
/// what no image refers to.
#[utoipa::path(post, path = paths::COLLECT, tag = "images", params(Older),
    responses((status = 200, body = Collected)))]
pub(crate) async fn collect(
    State(app): Shared,
    Caller(by): Caller,
    Parameters(Older { older }): Parameters<Older>,
) -> Answer<Collected> {
    let quiet = app.bakery.quiet().map_err(|busy| Refusal::of(Code::InUse, &busy))?;
    let references = forget(&app, &by, older.unwrap_or(YOUNG)).await?;
    let store = app.images.clone();
    let collected = blocking(move || {
        let collected = store.gc(&references.images, &references.layers);
        drop(quiet);
        collected
    });
    let collected = collected.await?;
    let removed = collected.images + collected.layers + collected.blobs;
    Ok(Json(Collected { removed: removed as u64, bytes: collected.bytes }))
}

/// Forgets images that nobody can come back to and layers that no bake used for long, and says what
/// is to be spared.
async fn forget(app: &App, by: &By, older: Span) -> Result<images::References, StoreError> {
    let mut write = app.database.write().await?;
    let older_ms = u64::try_from(older.get().as_millis()).unwrap_or(u64::MAX);
    let run = app.runner.as_ref().map(|runner| runner.images()).unwrap_or_default();
    let unneeded = images::unneeded(&mut write, by.at_ms.saturating_sub(older_ms)).await?;
    for image in unneeded.into_iter().filter(|image| !run.contains(image)) {
        images::remove_image(&mut write, &image, by).await?;
    }
    bakes::forget_layers(&mut write, by.at_ms.saturating_sub(UNUSED_MS)).await?;
    let references = images::references(&mut write).await?;
    write.commit().await?;
    Ok(references)
}
