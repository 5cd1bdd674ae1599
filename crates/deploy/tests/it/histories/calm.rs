//! How every history ends: nothing goes wrong any more, somebody decides about what waits for a
//! decision, and all comes to rest as the database asks for it.

use super::asks::say;
use super::course::{Broken, History, targets};
use super::stage::What;
use kiln_deploy::view::Summary;
use kiln_deploy::{Direction, Target};
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::status::GroupState;
use kiln_store::audit::By;
use kiln_store::deployments::DeploymentRow;
use kiln_store::{activations, deployments, groups, lock, retirements, route_claims};
use std::collections::BTreeMap;

/// More turns than any history needs to come to rest.
const MOST_TURNS: usize = 6_000;
/// After so many turns time passes in large pieces: somebody waits for a call that hangs, and may wait for
/// hours.
const PATIENT_TURNS: usize = 1_000;
/// How large.
const PIECE_MS: u64 = 600_000;
/// The server's own tasks, which sleep for as long as it lives: it removes groups, makes old journals
/// small, looks at the load.
const CHORES: usize = 3;

/// Lets calm come, and looks whether everything is as it should be.
pub(crate) async fn comes(history: &mut History) -> Result<(), Broken> {
    history.tell("calm comes");
    history.calm = true;
    history.world.hooks.hanging.lock().unwrap().take();
    history.world.hooks.failing.lock().unwrap().take();
    let mut write = history.db.write().await.unwrap();
    let by = By { who: "eve".to_owned(), at_ms: 7 };
    lock::release(&mut write, &by).await.unwrap();
    write.commit().await.unwrap();
    // A server that lives goes on: what hung in it hangs for ever.
    if history.server.is_none() || history.is_fused || history.chance.one_in(4) {
        history.crash().await;
        history.start();
    }
    history.settle().await?;
    for count in 0..MOST_TURNS {
        if turn(history, count < PATIENT_TURNS).await? {
            return at_rest(history).await;
        }
        history.settle().await?;
    }
    Err("it never came to rest".to_owned())
}

/// One turn; whether everything rests.
async fn turn(history: &mut History, is_patient: bool) -> Result<bool, Broken> {
    if let Some((id, what)) = history.stage.ready().first().copied() {
        history.open(id, what, None).await?;
        return Ok(false);
    }
    if history.step() {
        return Ok(false);
    }
    if history.is_asked() {
        return Err("somebody waits for an answer for ever".to_owned());
    }
    let mut db = history.db.read().await.unwrap();
    let holders = deployments::holders(&mut db).await.unwrap();
    let waiting = retirements::all(&mut db).await.unwrap();
    drop(db);
    if holders.is_empty() && waiting.is_empty() {
        return Ok(true);
    }
    for row in &holders {
        decide(history, row).await?;
    }
    if !history.is_asked() {
        match is_patient {
            true => history.sleep_on(),
            false => history.pass(PIECE_MS),
        }
    }
    Ok(false)
}

/// Somebody decides about what waits for a decision.
async fn decide(history: &mut History, row: &DeploymentRow) -> Result<(), Broken> {
    let target = Target { app: row.app.clone(), env: row.env.clone() };
    if row.state == DeploymentState::Paused.as_str() {
        say(history, "resume", &target);
    }
    if row.state == DeploymentState::Stuck.as_str() {
        let deployment = history.watcher.deployment(row.id).await.unwrap();
        let reason = row.reason.clone().unwrap_or_default();
        let aborted = reason.starts_with("aborted by");
        let held = deployment.plan.as_ref().is_some_and(|plan| plan.hold);
        let undone = deployment.direction == Direction::Undo;
        let stale = reason.contains("epoch") || reason.contains("somebody else");
        if !(aborted || held || undone) || stale {
            return Err(format!("stuck without need: {reason}"));
        }
        history.tell(format!("stuck: {reason}"));
        let verb = match undone {
            true => "retry",
            false => *history.chance.one_of(&["undo", "undo", "retry"]).unwrap(),
        };
        say(history, verb, &target);
    }
    Ok(())
}

async fn at_rest(history: &mut History) -> Result<(), Broken> {
    let count = history.stage.count();
    let sleeps = |(_, what): &(u64, What)| !matches!(what, What::Time { .. });
    if count != CHORES || history.stage.ready().iter().any(sleeps) {
        return Err(format!("{count} wait for something, and should be {CHORES}"));
    }
    let mut known = 0;
    for target in targets() {
        known += target_at_rest(history, &target).await?;
    }
    let there = history.world.engine.there();
    match there.len() == known {
        true => Ok(()),
        false => Err(format!("the engine has groups that nobody knows: {there:#?}")),
    }
}

/// Looks at one application in its environment; returns how many groups it has.
async fn target_at_rest(history: &History, target: &Target) -> Result<usize, Broken> {
    let Target { app, env } = target;
    let mut db = history.db.read().await.unwrap();
    let rows = groups::here(&mut db, app, env).await.unwrap();
    let there = history.world.engine.there();
    let (mut serving, mut routes) = (Vec::new(), Vec::new());
    for row in &rows {
        let spec: kiln_engine::GroupSpec = serde_json::from_str(&row.spec).unwrap();
        let size = row.size as usize;
        let whole = there.iter().find(|group| group.id == row.id).is_some_and(|group| {
            let wanted = group.desired == row.size && !group.removing;
            wanted && group.instances.len() == size && group.healthy() == size
        });
        if row.state != GroupState::Active.as_str() || !whole {
            let seen = there.iter().find(|group| group.id == row.id);
            return Err(format!("{} is {}, size {size}: {seen:#?}", row.name, row.state));
        }
        if !spec.params.routes.is_empty() {
            serving.push(row.id);
        }
        routes.extend(spec.params.routes);
    }
    let mut weights: Vec<_> =
        history.world.engine.weights(app, env).into_iter().map(|(group, _)| group).collect();
    weights.sort();
    serving.sort();
    if weights != serving {
        return Err(format!("{target}: {weights:?} have traffic, and should {serving:?}"));
    }
    let in_force = history.world.engine.in_force(app, env);
    let carried = in_force.clusters.into_iter().flat_map(|cluster| cluster.routes);
    let claims = route_claims::held_by(&mut db, app, env).await.unwrap();
    let mut held: Vec<_> = claims.into_iter().map(|claim| claim.route).collect();
    let mut carried: Vec<_> = carried.collect();
    [&mut held, &mut carried, &mut routes].into_iter().for_each(|routes| routes.sort());
    if held != routes || carried != routes {
        return Err(format!("{target}: routes {routes:?}, held {held:?}, carried {carried:?}"));
    }
    let current = activations::current(&mut db, app, env).await.unwrap();
    let current = current.and_then(|current| current.release);
    let asked = asked_for(history, target).await;
    let other = rows.iter().find(|row| Some(row.release) != current);
    match current == asked && other.is_none() && rows.is_empty() == current.is_none() {
        true => Ok(rows.len()),
        false => {
            Err(format!("{target}: {current:?} is active, {asked:?} was asked for, {other:?}"))
        }
    }
}

/// What became of all deployments, by what was asked for.
pub(crate) async fn count(history: &History) -> BTreeMap<String, u64> {
    let all = history.watcher.deployments(None, None, 1_000).await.unwrap();
    let mut counts = BTreeMap::new();
    for Summary { verb, state, .. } in all {
        *counts.entry(format!("{verb} {}", state.as_str())).or_default() += 1;
    }
    counts
}

/// The release that the deployments which were completed add up to.
async fn asked_for(history: &History, target: &Target) -> Option<kiln_names::ReleaseId> {
    let scope = Some((&target.app, Some(&target.env)));
    let all = history.watcher.deployments(scope, None, 1_000).await.unwrap();
    let completed = all.iter().find(|deployment| {
        let changes = ["deploy", "redeploy", "rollback", "stop"];
        deployment.state == DeploymentState::Completed && changes.contains(&&*deployment.verb)
    });
    completed.and_then(|deployment| deployment.release)
}
