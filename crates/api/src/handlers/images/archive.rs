//! Images as archives: taken in, and given out.

use super::super::bakes::course;
use super::super::blocking;
use super::find;
use crate::app::{App, Shared};
use crate::events::{Events, events};
use crate::refusal::Refusal;
use crate::request::{Body, Caller, Names, Parameters};
use axum::body::Body as Answer;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use kiln_bakery::BakeEvent as Told;
use kiln_image::{ExportForm, ImageName};
use kiln_names::{Digest, ImageRef};
use kiln_protocol::image::{ExportFormat, ImportEvent, NewImage};
use kiln_protocol::paths;
use kiln_store::images;
use serde::Deserialize;
use tokio::sync::mpsc;

/// How many events wait for a slow reader.
const QUEUE: usize = 16;

/// Takes an image from an archive that was sent before, and tells how it goes.
#[utoipa::path(post, path = paths::IMAGES, tag = "images",
    request_body = NewImage,
    responses((status = 200, body = ImportEvent, content_type = "text/event-stream")))]
pub(crate) async fn import(
    State(app): Shared,
    Caller(by): Caller,
    Body(new): Body<NewImage>,
) -> Result<Events, Refusal> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let import = tokio::spawn(async move {
        let imported = Box::pin(app.bakery.import(&new, &by, &sender)).await?;
        Ok::<_, Refusal>(ImportEvent::Imported(imported))
    });
    Ok(events(course(receiver, import, told).await?))
}

fn told(event: Told) -> Option<ImportEvent> {
    match event {
        Told::StepStarted { step, .. } => Some(ImportEvent::Step { step }),
        Told::Output { .. } | Told::StepDone { .. } => None,
    }
}

/// For whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct For {
    /// Who is to read the archive; everybody unless told.
    #[serde(default)]
    format: ExportFormat,
}

/// Gives an image as an archive for other tools. Its length is known before; one that ends sooner
/// was found damaged.
#[utoipa::path(get, path = paths::IMAGE_ARCHIVE, tag = "images", params(For),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(crate) async fn export(
    State(app): Shared,
    Names(image): Names<ImageRef>,
    Parameters(For { format }): Parameters<For>,
) -> Result<Response, Refusal> {
    let (digest, name) = named(&app, &image).await?;
    let form = match format {
        ExportFormat::Both => ExportForm::Both,
        ExportFormat::Oci => ExportForm::Oci,
        ExportFormat::Docker => ExportForm::Docker,
    };
    let store = app.images.clone();
    let export = blocking(move || store.export(&digest, name.as_ref(), form)).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_LENGTH, export.bytes().to_string()),
    ];
    Ok((headers, Answer::from_stream(export.stream())).into_response())
}

/// The image, and the name that other tools are to know it by: the one that was asked for, or else its
/// newest.
async fn named(app: &App, image: &ImageRef) -> Result<(Digest, Option<ImageName>), Refusal> {
    let mut db = app.database.read().await?;
    let digest = find::resolve(&mut db, image).await?;
    let row = images::image(&mut db, &digest).await?.ok_or_else(|| find::not_found(image))?;
    let name = match image {
        ImageRef::Version(app, version) => Some((app.clone(), version.clone())),
        _ => {
            let versions = images::versions_of(&mut db, &row.digest).await?;
            versions.into_iter().next().map(|row| (row.app, row.version))
        }
    };
    // A version may have a plus, a tag may not.
    let name = name.filter(|(_, version)| !version.as_str().contains('+'));
    let name = name
        .map(|(app, version)| ImageName { repository: app.to_string(), tag: version.to_string() });
    Ok((digest, name))
}
