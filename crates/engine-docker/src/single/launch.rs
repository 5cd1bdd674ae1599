//! The start of a container.

use super::{inspect, read, secrets};
use crate::connection::WORK;
use crate::exits::start_failed;
use crate::images;
use crate::inner::Inner;
use crate::render::Made;
use crate::render::container::{self, Door};
use crate::seen::Seen;
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use kiln_keeper::{Birth, NotLaunched, Wish};
use std::net::SocketAddr;

/// Starts it, and returns once its main process runs. What the engine was asked to make is waited for,
/// wanted or not: it would be there after everything was cleaned up.
pub(crate) async fn launch(
    inner: &Inner,
    birth: &Birth,
    wish: Wish<'_>,
) -> Result<SocketAddr, NotLaunched> {
    let image = tokio::select! {
        image = images::ensure(inner, birth.spec.image) => image,
        () = wish.withdrawn => return Err(withdrawn()),
    };
    let image = image.map_err(|error| NotLaunched::failed(error.message))?;
    let config = inner.image_config(birth.spec.image).await.map_err(NotLaunched::failed)?;
    let made = Made::of(&inner.owner, birth, &config, &image).map_err(NotLaunched::failed)?;
    let door = match inner.settings.engine.host.is_here() {
        true => Door::Own(birth.address.ip()),
        false => Door::Published,
    };
    let secrets = secrets::hand_over(inner, birth).await.map_err(NotLaunched::failed)?;
    let body = container::render(made, &inner.owner.network(), door, secrets.as_deref());
    let started = match create(inner, birth, body).await {
        Ok(()) => start(inner, birth).await,
        Err(trouble) => Err(trouble),
    };
    let port = birth.address.port();
    started.map_err(|trouble| NotLaunched::failed(start_failed(trouble.words(), port)))?;
    inner.note(birth.id, Seen::Running(None));
    Ok(birth.address)
}

/// Why a start was given up that nobody wants any more.
pub(crate) fn withdrawn() -> NotLaunched {
    NotLaunched::failed("not wanted any more before it ran")
}

/// Makes sure that the container is there: an earlier attempt may have come so far.
async fn create(inner: &Inner, birth: &Birth, body: ContainerCreateBody) -> Result<(), Trouble> {
    let name = inner.owner.name(birth.id);
    let named = name.clone();
    let create = |docker: Docker| async move {
        let options = CreateContainerOptionsBuilder::default().name(&named).build();
        docker.create_container(Some(options), body).await
    };
    match inner.connection.ask(WORK, create).await {
        Err(Trouble::Conflict(words)) => match inspect(inner, birth.id).await? {
            Some(_) => Ok(()),
            None => Err(Trouble::Conflict(format!(
                "the name {name} is taken by a container that is not this Kiln's: {words}"
            ))),
        },
        created => created.map(drop),
    }
}

/// Starts the container; one that runs already is as good.
async fn start(inner: &Inner, birth: &Birth) -> Result<(), Trouble> {
    let name = inner.owner.name(birth.id);
    let start = |docker: Docker| async move { docker.start_container(&name, None).await };
    let started = inner.connection.ask(WORK, start).await;
    if started.as_ref().is_err_and(Trouble::is_down) {
        // What was asked may have been done.
        let found = inspect(inner, birth.id).await?;
        if found.as_ref().map(read::seen) == Some(Seen::Running(None)) {
            return Ok(());
        }
    }
    started
}
