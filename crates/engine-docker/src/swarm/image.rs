//! How images come to the nodes of a Swarm.

use super::nodes;
use crate::images;
use crate::inner::Inner;
use bollard::auth::DockerCredentials;
use kiln_engine::EngineError;
use kiln_names::{AppName, Digest};

/// Makes sure that the nodes can have the image. A Swarm of one node is given it; others pull.
pub(crate) async fn ensure(inner: &Inner, image: Digest) -> Result<String, EngineError> {
    if inner.settings.engine.registry.is_some() {
        return Ok(image.to_string());
    }
    let nodes = nodes::list(inner).await?.len();
    if nodes > 1 {
        return Err(EngineError::permanent(format!(
            "the Swarm has {nodes} nodes and no way to have images: set registry to HOST:PORT where \
             the nodes reach this Kiln"
        )));
    }
    images::ensure(inner, image).await
}

/// What a task was told to run, without making sure of anything; nothing if it cannot be had any more.
pub(crate) async fn known(
    inner: &Inner,
    app: &AppName,
    image: Digest,
) -> Result<Option<String>, EngineError> {
    match &inner.settings.engine.registry {
        Some(registry) => Ok(Some(pulled(registry, app, image))),
        None => images::find(inner, image).await,
    }
}

fn pulled(registry: &impl std::fmt::Display, app: &AppName, image: Digest) -> String {
    format!("{registry}/{app}@{image}")
}

/// What a task is told to run, and what opens the registry to its node.
pub(crate) async fn reference(
    inner: &Inner,
    app: &AppName,
    image: Digest,
) -> Result<(String, Option<DockerCredentials>), EngineError> {
    let Some(registry) = &inner.settings.engine.registry else {
        // An image's own id is never looked for in a registry.
        return Ok((ensure(inner, image).await?, None));
    };
    let credentials = inner.settings.registry_token.as_ref().map(|token| DockerCredentials {
        username: Some("kiln".to_owned()),
        password: Some(token.clone()),
        serveraddress: Some(registry.clone()),
        ..DockerCredentials::default()
    });
    Ok((pulled(registry, app, image), credentials))
}
