//! Instances as services of a Swarm.

pub(crate) mod drift;
pub(crate) mod image;
pub(crate) mod launch;
pub(crate) mod network;
pub(crate) mod nodes;
pub(crate) mod read;
pub(crate) mod watch;

use crate::connection::{SOON, WORK};
use crate::exits::{self, End};
use crate::inner::{Inner, unless_absent};
use crate::render::service::{is_stopped, stopped};
use crate::seen::{Ended, Seen};
use crate::single::{self, RETRY};
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum as Listed, Secret, Service, Task,
};
use bollard::query_parameters::{
    ListSecretsOptionsBuilder, ListServicesOptionsBuilder, ListTasksOptionsBuilder,
    UpdateServiceOptionsBuilder,
};
use kiln_engine::Exit;
use kiln_keeper::Birth;
use kiln_names::{ByteSize, InstanceId};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// All services of this environment's.
pub(crate) async fn services(inner: &Inner) -> Result<Vec<Service>, Trouble> {
    let filters = inner.owner.filters();
    let options = ListServicesOptionsBuilder::default().filters(&filters).build();
    let list = |docker: Docker| async move { docker.list_services(Some(options)).await };
    inner.connection.ask(SOON, list).await
}

/// All tasks of this environment's, those that ended included.
pub(crate) async fn tasks(inner: &Inner) -> Result<Vec<Task>, Trouble> {
    let filters = inner.owner.filters();
    let options = ListTasksOptionsBuilder::default().filters(&filters).build();
    let list = |docker: Docker| async move { docker.list_tasks(Some(options)).await };
    inner.connection.ask(SOON, list).await
}

/// The service of an instance, if there is one that is ours.
pub(crate) async fn inspect(inner: &Inner, id: InstanceId) -> Result<Option<Service>, Trouble> {
    let name = inner.owner.name(id);
    let inspect = |docker: Docker| async move { docker.inspect_service(&name, None).await };
    match inner.connection.ask(SOON, inspect).await {
        Ok(found) => Ok(Some(found).filter(|found| read::is_of(&inner.owner, found, id))),
        Err(Trouble::Absent(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Where an instance listens, if it runs.
pub(crate) async fn find(inner: &Inner, birth: &Birth) -> Result<Option<SocketAddr>, Trouble> {
    watch::look(inner).await?;
    match inner.sight.of(birth.id) {
        Some(Seen::Running(node)) => launch::address(inner, birth, node).await.map(Some),
        _ => Ok(None),
    }
}

/// Asks the Swarm to stop an instance, until it was heard.
pub(crate) async fn stop(inner: Arc<Inner>, id: InstanceId) {
    while let Err(trouble) = stop_once(&inner, id).await {
        tracing::warn!(instance = %id, error = trouble.words(), "failed to stop an instance");
        tokio::time::sleep(RETRY).await;
    }
    inner.look.notify_one();
}

async fn stop_once(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let Some(service) = inspect(inner, id).await? else { return Ok(()) };
    let Some(spec) = service.spec else { return Ok(()) };
    if is_stopped(spec.task_template.as_ref()) {
        return Ok(());
    }
    let version = service.version.and_then(|version| version.index).unwrap_or_default();
    let version = i32::try_from(version).unwrap_or(i32::MAX);
    let name = service.id.unwrap_or_else(|| inner.owner.name(id));
    let update = |docker: Docker| async move {
        let options = UpdateServiceOptionsBuilder::default().version(version).build();
        docker.update_service(&name, stopped(spec), options, None).await
    };
    unless_absent(inner.connection.ask(WORK, update).await.map(drop))
}

/// How an instance ended.
pub(crate) async fn exit(
    inner: &Inner,
    id: InstanceId,
    limit: Option<ByteSize>,
) -> Result<Exit, String> {
    let looked = watch::look(inner).await;
    looked.map_err(|trouble| trouble.words().to_owned())?;
    let Some(Seen::Ended(ended)) = inner.sight.of(id) else {
        return Err("its service is gone: somebody removed it".to_owned());
    };
    let out_of_memory = out_of_memory(inner, &ended).await;
    let Ended { code, error, .. } = ended;
    Ok(exits::exit(&End { code, out_of_memory, error }, limit))
}

/// A Swarm does not tell what the kernel killed for memory; the engine of its node does, if that is
/// the one that is asked here.
async fn out_of_memory(inner: &Inner, ended: &Ended) -> bool {
    let Some(container) = ended.container.clone() else { return false };
    let inspect = |docker: Docker| async move { docker.inspect_container(&container, None).await };
    let found = inner.connection.ask(SOON, inspect).await.ok();
    found.and_then(|found| found.state?.oom_killed).unwrap_or_default()
}

/// Removes the service of an instance, if there is one.
async fn remove(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let Some(service) = inspect(inner, id).await? else { return Ok(()) };
    // By its own id: a name may be given to another meanwhile.
    let name = service.id.unwrap_or_else(|| inner.owner.name(id));
    let remove = |docker: Docker| async move { docker.delete_service(&name).await };
    unless_absent(inner.connection.ask(WORK, remove).await)
}

/// Removes what is left of an instance: its service, then its secrets, which the service holds.
pub(crate) async fn clean(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    remove(inner, id).await?;
    for secret in secrets(inner).await? {
        if of_secret(inner, &secret) == Some(id) {
            remove_secret(inner, secret).await?;
        }
    }
    forgotten(inner, id).await
}

/// Removes the container of a task that ended on the node that is asked here. A Swarm does that itself,
/// unless its node began anew meanwhile: then it forgets it.
async fn forgotten(inner: &Inner, id: InstanceId) -> Result<(), Trouble> {
    let containers = single::list(inner).await?;
    remove_containers(inner, containers, |of| of == id).await
}

/// The same for all whose service is gone; for a node that began anew.
pub(crate) async fn tidy(inner: &Inner) -> Result<(), Trouble> {
    let containers = single::list(inner).await?;
    let services = services(inner).await?;
    let ids: HashSet<InstanceId> = instances(inner, &services).collect();
    remove_containers(inner, containers, |id| !ids.contains(&id) && !inner.is_own(id)).await
}

async fn remove_containers(
    inner: &Inner,
    containers: Vec<ContainerSummary>,
    which: impl Fn(InstanceId) -> bool,
) -> Result<(), Trouble> {
    for found in containers {
        let over = matches!(found.state, Some(Listed::EXITED | Listed::CREATED | Listed::DEAD));
        let wanted = inner.owner.instance(found.labels.as_ref()).is_some_and(&which);
        let (true, true, Some(name)) = (over, wanted, found.id) else { continue };
        let remove = |docker: Docker| async move { docker.remove_container(&name, None).await };
        match inner.connection.ask(WORK, remove).await {
            Err(trouble) if trouble.is_down() => return Err(trouble),
            // The Swarm was quicker, or is about to.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The instances that services are of.
pub(crate) fn instances(inner: &Inner, services: &[Service]) -> impl Iterator<Item = InstanceId> {
    let labels = services.iter().map(|service| service.spec.as_ref()?.labels.as_ref());
    labels.filter_map(|labels| inner.owner.instance(labels))
}

async fn secrets(inner: &Inner) -> Result<Vec<Secret>, Trouble> {
    let filters = inner.owner.filters();
    let options = ListSecretsOptionsBuilder::default().filters(&filters).build();
    let list = |docker: Docker| async move { docker.list_secrets(Some(options)).await };
    inner.connection.ask(SOON, list).await
}

fn of_secret(inner: &Inner, secret: &Secret) -> Option<InstanceId> {
    inner.owner.instance(secret.spec.as_ref()?.labels.as_ref())
}

async fn remove_secret(inner: &Inner, secret: Secret) -> Result<(), Trouble> {
    let Some(id) = secret.id else { return Ok(()) };
    let remove = |docker: Docker| async move { docker.delete_secret(&id).await };
    unless_absent(inner.connection.ask(SOON, remove).await)
}

/// Removes all that is not among those known.
pub(crate) async fn sweep(inner: &Inner, known: &HashSet<InstanceId>) -> Result<(), Trouble> {
    let services = services(inner).await?;
    let mut ids: HashSet<InstanceId> = instances(inner, &services).collect();
    let secrets = secrets(inner).await?;
    ids.extend(secrets.iter().filter_map(|secret| of_secret(inner, secret)));
    for id in ids {
        if known.contains(&id) || inner.is_own(id) {
            continue;
        }
        tracing::warn!(instance = %id, "removes a service that nobody knows");
        clean(inner, id).await?;
    }
    tidy(inner).await
}
