//! The start of a service.

use super::{image, inspect, network, read, remove};
use crate::connection::{SOON, WORK};
use crate::exits::start_failed;
use crate::inner::Inner;
use crate::render::Made;
use crate::render::service::{self, Kept};
use crate::seen::{Ended, Seen};
use crate::single::launch::withdrawn;
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::{SecretSpec, ServiceSpec};
use kiln_keeper::{Birth, NotLaunched, Wish, chain};
use kiln_names::Span;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The words for a start, as it goes on.
type Say<'a> = &'a (dyn Fn(String) + Send + Sync);

/// How many networks are made for one start, where nodes cannot use those that there are.
const NETWORKS: u32 = 2;

/// Starts it, and returns once its main process runs on a node. What the Swarm was asked to make is waited
/// for, wanted or not: it would be there after everything was cleaned up.
pub(crate) async fn launch(
    inner: &Inner,
    birth: &Birth,
    wish: Wish<'_>,
) -> Result<SocketAddr, NotLaunched> {
    let Wish { withdrawn: mut unwanted, say } = wish;
    let failed = |trouble: Trouble| NotLaunched::failed(trouble.words());
    let group = &birth.spec;
    let reference = tokio::select! {
        reference = image::reference(inner, &group.app, group.image) => reference,
        () = &mut unwanted => return Err(withdrawn()),
    };
    let (reference, auth) = reference.map_err(|error| NotLaunched::failed(error.message))?;
    let config = inner.image_config(group.image).await.map_err(NotLaunched::failed)?;
    let made = Made::of(&inner.owner, birth, &config, &reference).map_err(NotLaunched::failed)?;
    let secrets = secrets(inner, birth).await.map_err(NotLaunched::failed)?;
    let mut networks = 0;
    loop {
        let spec = service::render(made.clone(), &inner.network(), &secrets);
        create(inner, birth, spec, auth.clone()).await.map_err(failed)?;
        let started = tokio::select! {
            started = started(inner, birth, say) => started?,
            () = &mut unwanted => return Err(withdrawn()),
        };
        let cause = match started {
            Ok(node) => return address(inner, birth, node).await.map_err(failed),
            Err(cause) => cause,
        };
        match network::unusable(&cause) {
            Some(broken) if networks < NETWORKS => {
                networks += 1;
                network::renew(inner, broken).await.map_err(failed)?;
                remove(inner, birth.id).await.map_err(failed)?;
            }
            _ => return Err(NotLaunched::failed(cause)),
        }
    }
}

/// Waits until a service that was made runs, and on which node; or else why it never will.
async fn started(
    inner: &Inner,
    birth: &Birth,
    say: Say<'_>,
) -> Result<Result<Option<SocketAddr>, String>, NotLaunched> {
    // Only now: a look that began while it was being made saw none.
    inner.note(birth.id, Seen::Pending(None));
    inner.look.notify_one();
    let limit = birth.spec.params.startup_check.timeout;
    let mut last = None;
    let runs = runs(inner, birth, say, &mut last);
    let runs = tokio::time::timeout(limit.get(), runs).await;
    runs.map_err(|_| NotLaunched::gave_up(no_node(limit, last.as_deref())))
}

fn no_node(limit: Span, last: Option<&str>) -> String {
    let reason = last.map_or_else(String::new, |last| format!(": {last}"));
    format!("no node ran it within {limit}{reason}")
}

/// Waits until it runs, and says meanwhile why it does not; or else why it never will.
async fn runs(
    inner: &Inner,
    birth: &Birth,
    say: Say<'_>,
    last: &mut Option<String>,
) -> Result<Option<SocketAddr>, String> {
    let mut seen = Some(Seen::Pending(None));
    loop {
        seen = inner.sight.changed(birth.id, seen.as_ref()).await;
        match &seen {
            Some(Seen::Running(node)) => return Ok(*node),
            Some(Seen::Pending(Some(why))) => {
                say(why.clone());
                *last = Some(why.clone());
            }
            Some(Seen::Pending(None)) => {}
            Some(Seen::Ended(Ended { error, code, .. })) => {
                let port = birth.address.port();
                return Err(match (error, code) {
                    (Some(error), _) => start_failed(error, port),
                    // It ran, and was over before that was seen.
                    (None, Some(_)) => return Ok(None),
                    (None, None) => "it was stopped before it ran".to_owned(),
                });
            }
            None => return Err("its service is gone: somebody removed it".to_owned()),
        }
    }
}

/// Where it listens, on a node that has that address.
pub(crate) async fn address(
    inner: &Inner,
    birth: &Birth,
    node: Option<SocketAddr>,
) -> Result<SocketAddr, Trouble> {
    let port = birth.address.port();
    let set = inner.settings.engine.address;
    if let Some(ip) = set.or_else(|| node.map(|node| node.ip())) {
        return Ok(SocketAddr::new(ip, port));
    }
    Ok(SocketAddr::new(manager(inner).await?, port))
}

/// Where the manager is, for a Swarm whose nodes have no address that others reach.
async fn manager(inner: &Inner) -> Result<IpAddr, Trouble> {
    let info = inner.connection.ask(SOON, |docker| async move { docker.info().await }).await?;
    let advertised = info.swarm.and_then(|swarm| swarm.node_addr).unwrap_or_default();
    let ip = read::usable(&advertised).or_else(|| inner.settings.engine.host.ip());
    Ok(ip.unwrap_or(Ipv4Addr::LOCALHOST.into()))
}

/// Makes sure that the service is there: an earlier attempt may have come so far.
async fn create(
    inner: &Inner,
    birth: &Birth,
    spec: ServiceSpec,
    auth: Option<DockerCredentials>,
) -> Result<(), Trouble> {
    let name = inner.owner.name(birth.id);
    let create = |docker: Docker| async move { docker.create_service(spec, auth).await };
    match inner.connection.ask(WORK, create).await {
        Err(Trouble::Conflict(words)) => match inspect(inner, birth.id).await? {
            Some(_) => Ok(()),
            None => Err(Trouble::Conflict(format!(
                "the name {name} is taken by a service that is not this Kiln's: {words}"
            ))),
        },
        created => created.map(drop),
    }
}

/// Makes sure that the values of the instance's secrets are with the Swarm, for it alone.
async fn secrets(inner: &Inner, birth: &Birth) -> Result<Vec<Kept>, String> {
    let group = &birth.spec;
    let opened = inner.settings.secrets.open_all(&group.app, &group.env, &group.secrets).await;
    let values = opened.map_err(|error| format!("failed to {}", chain(&error)))?;
    let mut kept = Vec::with_capacity(values.len());
    for (number, (file, value)) in group.secrets.keys().zip(values).enumerate() {
        let name = format!("{}-{number}", inner.owner.name(birth.id));
        let spec = SecretSpec {
            name: Some(name.clone()),
            labels: Some(inner.owner.of(birth)),
            data: Some(BASE64.encode(value.as_ref())),
            ..SecretSpec::default()
        };
        let create = |docker: Docker| async move { docker.create_secret(spec).await };
        let id = match inner.connection.ask(WORK, create).await {
            Ok(created) => created.id,
            Err(Trouble::Conflict(_)) => earlier(inner, birth, &name).await?,
            Err(trouble) => return Err(trouble.words().to_owned()),
        };
        kept.push(Kept { file: file.clone(), id, name });
    }
    Ok(kept)
}

/// The secret of that name, made by an earlier attempt.
async fn earlier(inner: &Inner, birth: &Birth, name: &str) -> Result<String, String> {
    let all = super::secrets(inner).await.map_err(|trouble| trouble.words().to_owned())?;
    let mut ours = all.into_iter().filter(|one| super::of_secret(inner, one) == Some(birth.id));
    let named =
        ours.find(|one| one.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(name));
    let taken = || format!("the name {name} is taken by a secret that is not this Kiln's");
    named.and_then(|one| one.id).ok_or_else(taken)
}
