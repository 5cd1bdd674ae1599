//! Instances as containers of one engine.

pub(crate) mod drift;
pub(crate) mod launch;
pub(crate) mod look;
pub(crate) mod read;
pub(crate) mod secrets;
pub(crate) mod watch;

use crate::connection::{SOON, WORK};
use crate::exits::{self, End};
use crate::inner::{Inner, unless_absent};
use crate::render::container::seconds;
use crate::seen::Seen;
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use kiln_engine::Exit;
use kiln_keeper::Birth;
use kiln_names::{ByteSize, InstanceId};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait when the engine did not answer.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// No stop timeout is longer.
const LONGEST_STOP: Duration = Duration::from_secs(3600);

/// All containers of this environment's, those that ended included.
pub(crate) async fn list(inner: &Inner) -> Result<Vec<ContainerSummary>, Trouble> {
    let filters = inner.owner.filters();
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let list = |docker: Docker| async move { docker.list_containers(Some(options)).await };
    inner.connection.ask(SOON, list).await
}

/// The container of an instance, if there is one that is ours.
pub(crate) async fn inspect(
    inner: &Inner,
    id: InstanceId,
) -> Result<Option<ContainerInspectResponse>, Trouble> {
    let name = inner.owner.name(id);
    let inspect = |docker: Docker| async move { docker.inspect_container(&name, None).await };
    match inner.connection.ask(SOON, inspect).await {
        Ok(found) => Ok(Some(found).filter(|found| read::is_of(&inner.owner, found, id))),
        Err(Trouble::Absent(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Whether an instance runs; looks until the engine has answered.
pub(crate) async fn runs(inner: &Inner, id: InstanceId) -> Result<bool, Trouble> {
    let found = inspect(inner, id).await?;
    let seen = found.as_ref().map(read::seen);
    let runs = matches!(seen, Some(Seen::Running(_)));
    if let Some(seen) = seen {
        inner.note(id, seen);
    }
    Ok(runs)
}

/// Asks the engine to stop an instance, until it was heard.
pub(crate) async fn stop(inner: Arc<Inner>, birth: Birth) {
    let timeout = birth.spec.run.stop.timeout.get();
    // The engine answers when it is done.
    let limit = timeout + WORK;
    let timeout = i32::try_from(seconds(timeout)).unwrap_or(i32::MAX);
    loop {
        let name = inner.owner.name(birth.id);
        let stop = |docker: Docker| async move {
            let options = StopContainerOptionsBuilder::default().t(timeout).build();
            docker.stop_container(&name, Some(options)).await
        };
        let found = match inspect(&inner, birth.id).await {
            Ok(Some(_)) => inner.connection.ask(limit, stop).await,
            Ok(None) => return,
            Err(trouble) => Err(trouble),
        };
        match found {
            Ok(()) | Err(Trouble::Absent(_)) => return inner.look.notify_one(),
            Err(trouble) => {
                let error = trouble.words();
                tracing::warn!(instance = %birth.id, error, "failed to stop an instance");
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// How an instance ended.
pub(crate) async fn exit(
    inner: &Inner,
    id: InstanceId,
    limit: Option<ByteSize>,
) -> Result<Exit, String> {
    let found = inspect(inner, id).await.map_err(|trouble| trouble.words().to_owned())?;
    let state = found.and_then(|found| found.state);
    let state = state.ok_or("its container is gone: somebody removed it")?;
    let error = state.error.filter(|error| !error.is_empty());
    let end = End {
        code: state.exit_code,
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error: error.map(|error| crate::trouble::shortened(&error)),
    };
    Ok(exits::exit(&end, limit))
}

/// Removes what is left of an instance.
pub(crate) async fn clean(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let removed = remove(inner, id).await;
    secrets::forget(inner, id);
    removed
}

async fn remove(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let Some(found) = inspect(inner, id).await? else { return Ok(()) };
    // By its own id: a name may be given to another meanwhile.
    let name = found.id.unwrap_or_else(|| inner.owner.name(id));
    let remove = |docker: Docker| async move {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        docker.remove_container(&name, Some(options)).await
    };
    match unless_absent(inner.connection.ask(WORK, remove).await) {
        // It is being removed already.
        Err(Trouble::Conflict(_)) => Ok(()),
        done => done,
    }
}

/// Stops an instance with its own signal and time, and removes what is left of it.
pub(crate) async fn end(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let name = inner.owner.name(id);
    if inspect(inner, id).await?.is_some() {
        let stop = |docker: Docker| async move { docker.stop_container(&name, None).await };
        unless_absent(inner.connection.ask(LONGEST_STOP, stop).await)?;
    }
    clean(inner, id).await
}

/// Removes all that is listed and not among those known.
pub(crate) async fn sweep(inner: &Inner, known: &HashSet<InstanceId>, listed: &[ContainerSummary]) {
    secrets::sweep(inner, known);
    for found in listed {
        let Some(id) = inner.owner.instance(found.labels.as_ref()) else { continue };
        if known.contains(&id) || inner.is_own(id) {
            continue;
        }
        tracing::warn!(instance = %id, "removes a container that nobody knows");
        if let Err(trouble) = clean(inner, id).await {
            tracing::error!(instance = %id, error = trouble.words(), "failed to remove it");
        }
    }
}
