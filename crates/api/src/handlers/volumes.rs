//! Volumes: what instances keep beyond their lives.

use super::deployments::target;
use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Caller, Names};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_deploy::{Problem, Target};
use kiln_engine::KeptVolume;
use kiln_names::{AppName, EnvName, ProcessName, VolumeName};
use kiln_protocol::volume::Volume;
use kiln_protocol::{Code, paths};
use kiln_store::audit;
use serde_json::json;

/// Lists what instances of an application in an environment have kept.
#[utoipa::path(get, path = paths::VOLUMES, tag = "instances",
    responses((status = 200, body = [Volume])))]
pub(crate) async fn list(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
) -> Answer<Vec<Volume>> {
    let target = target(&kiln, app, env).await?;
    let kept = kept(&kiln, &target.env).await?.into_iter();
    let own = kept.filter(|(volume, _)| volume.app == target.app);
    let shown = own.map(|(volume, instance)| {
        let KeptVolume { process, name, slot, .. } = volume;
        Volume { process, name, slot, instance }
    });
    Ok(Json(shown.collect()))
}

/// Removes a volume that no instance has, with all that it holds.
#[utoipa::path(delete, path = paths::VOLUME, tag = "instances", responses((status = 204)))]
pub(crate) async fn remove(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env, process, name, slot)): Names<(AppName, EnvName, ProcessName, VolumeName, u32)>,
) -> Result<StatusCode, Refusal> {
    let Target { app, env } = target(&kiln, app, env).await?;
    let wanted = KeptVolume { env, app, process, name, slot };
    let mut all = kept(&kiln, &wanted.env).await?.into_iter();
    let KeptVolume { env, app, process, name, slot } = &wanted;
    match all.find(|(volume, _)| *volume == wanted) {
        None => {
            let refusal = format!("{app} keeps no volume {process}/{name}/{slot} in {env}");
            let hint = format!("kiln volumes list {app} {env} names those that there are.");
            return Err(Refusal::new(Code::NotFound, refusal).hint(hint));
        }
        Some((_, Some(instance))) => {
            let refusal = format!("instance {instance} has {process}/{name}/{slot}");
            return Err(Refusal::new(Code::InUse, refusal).hint(format!("kiln stop {app} {env}")));
        }
        Some((_, None)) => {}
    }
    let what = json!({"did": "remove volume", "app": app, "env": env, "process": process,
        "volume": name, "slot": slot});
    let mut write = kiln.database.write().await?;
    audit::record(&mut write, &by, &what).await?;
    // Before it happens: a crash in between leaves a record of what may have been removed.
    write.commit().await?;
    let engine = kiln.engines.of(&wanted.env).await?.engine;
    engine.remove_volume(&wanted).await.map_err(Problem::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A volume keeps something from being deleted.
pub(crate) fn in_the_way(what: &str, kept: &KeptVolume) -> Refusal {
    let KeptVolume { app, env, process, name, slot } = kept;
    let refusal = format!("{what}: {app} keeps {process}/{name}/{slot} in {env}");
    let hint = format!("kiln volumes remove {app} {env} {process}/{name}/{slot}");
    Refusal::new(Code::InUse, refusal).hint(hint)
}

/// All that is kept in an environment.
pub(crate) async fn kept(
    kiln: &App,
    env: &EnvName,
) -> Result<Vec<(KeptVolume, Option<kiln_names::InstanceId>)>, Refusal> {
    let engine = kiln.engines.of(env).await?.engine;
    Ok(engine.volumes(env).await.map_err(Problem::from)?)
}
