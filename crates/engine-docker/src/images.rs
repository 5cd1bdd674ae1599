//! How images come to an engine.

mod layers;

use crate::connection::SOON;
use crate::inner::Inner;
use crate::trouble::Trouble;
use bollard::models::ImageInspect;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::StreamExt as _;
use kiln_engine::EngineError;
use kiln_image::{Export, ExportForm, ImageName};
use kiln_keeper::chain;
use kiln_names::Digest;
use std::time::Duration;

/// What Kiln's images are called on an engine; the digest is the tag.
const REPOSITORY: &str = "kiln-image";
/// How long an engine may take to take an image in.
const LOAD: Duration = Duration::from_secs(900);

/// What an engine may call the image: the classic store by its configuration, containerd's by its
/// manifest.
struct Ids {
    manifest: String,
    config: String,
}

/// Makes sure that the engine has the image, and answers with its own id.
pub(crate) async fn ensure(inner: &Inner, image: Digest) -> Result<String, EngineError> {
    if let Some(id) = find(inner, image).await? {
        return Ok(id);
    }
    load(inner, image).await?;
    let id = find(inner, image).await?;
    id.ok_or_else(|| {
        EngineError::retry(format!("the engine took the image {image} and has it not"))
    })
}

/// The engine's own id of the image, if it has it.
pub(crate) async fn find(inner: &Inner, image: Digest) -> Result<Option<String>, EngineError> {
    let ids = ids(inner, image).await?;
    Ok(present(inner, image, &ids).await?)
}

async fn ids(inner: &Inner, image: Digest) -> Result<Ids, EngineError> {
    let store = inner.settings.images.clone();
    let read = tokio::task::spawn_blocking(move || store.parts(&image)).await;
    let parts = read.map_err(|error| EngineError::retry(error.to_string()))?;
    let parts = parts.map_err(|error| EngineError::permanent(chain(&error)))?;
    let config = parts.first().ok_or_else(|| EngineError::permanent("the image has no parts"))?;
    Ok(Ids { manifest: image.to_string(), config: config.to_string() })
}

async fn present(inner: &Inner, image: Digest, ids: &Ids) -> Result<Option<String>, Trouble> {
    let name = format!("{REPOSITORY}:{}", image.hex());
    let asked =
        inner.connection.ask(SOON, |docker| async move { docker.inspect_image(&name).await });
    match asked.await {
        // What somebody else gave our name is not ours.
        Ok(ImageInspect { id: Some(id), .. }) if id == ids.config || id == ids.manifest => {
            Ok(Some(id))
        }
        Ok(_) | Err(Trouble::Absent(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Sends the image; of the layers that the engine has already, only the names.
async fn load(inner: &Inner, image: Digest) -> Result<(), EngineError> {
    let there = layers::there(inner, image).await;
    if !there.is_empty() {
        let export = export(inner, image, ExportForm::Docker).await?.without(&there);
        match send(inner, export).await {
            Ok(()) => return Ok(()),
            // Perhaps they have just been removed.
            Err(error) => tracing::debug!(%image, %error, "sends all of an image"),
        }
    }
    send(inner, export(inner, image, ExportForm::Both).await?).await
}

async fn export(inner: &Inner, image: Digest, form: ExportForm) -> Result<Export, EngineError> {
    let store = inner.settings.images.clone();
    let name = ImageName { repository: REPOSITORY.to_owned(), tag: image.hex() };
    let export = tokio::task::spawn_blocking(move || store.export(&image, Some(&name), form)).await;
    let export = export.map_err(|error| EngineError::retry(error.to_string()))?;
    export.map_err(|error| EngineError::permanent(chain(&error)))
}

async fn send(inner: &Inner, export: Export) -> Result<(), EngineError> {
    let loaded = inner.connection.ask(LOAD, |docker| async move {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut told = std::pin::pin!(docker.import_image_stream(options, export.stream(), None));
        while let Some(line) = told.next().await {
            line?;
        }
        Ok(())
    });
    Ok(loaded.await?)
}
