//! What is not as deployments left it: what engines say of themselves, and what the database means
//! beside what engines and traffic say.

use crate::kit::Kit;
use crate::place::{KnownGroup, Place, stored_release};
use crate::plan::{Shares, same_requests};
use crate::{Error, Problem, Target};
use kiln_engine::{Depth, Drift, Engine, Observation};
use kiln_store::{catalog, deployments};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The time between two looks: what retirements and engines do by themselves takes less.
const PAUSE: Duration = Duration::from_millis(500);

/// All differences that stand, sorted.
pub(crate) async fn all(kit: &Kit, depth: Depth) -> Result<Vec<Drift>, Error> {
    let mut all = BTreeSet::new();
    for engine in engines(kit).await? {
        all.extend(engine.drift(depth).await.map_err(Problem::from)?);
    }
    let mut standing = look(kit).await?;
    if !standing.is_empty() {
        kit.clock().sleep(PAUSE).await;
        let again = look(kit).await?;
        standing.retain(|drift| again.contains(drift));
    }
    all.extend(standing);
    Ok(all.into_iter().collect())
}

async fn engines(kit: &Kit) -> Result<Vec<Arc<dyn Engine>>, Error> {
    let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
    for row in catalog::environments(&mut *kit.db.read().await?).await? {
        let engine = kit.ports.engines.of(&row.name).await?.engine;
        if !engines.iter().any(|known| Arc::ptr_eq(known, &engine)) {
            engines.push(engine);
        }
    }
    Ok(engines)
}

async fn look(kit: &Kit) -> Result<BTreeSet<Drift>, Error> {
    let mut all = BTreeSet::new();
    for target in crate::view::targets(kit).await? {
        let found = of_target(kit, &target).await?;
        // What a deployment is about to make so is no drift.
        if !is_busy(kit, &target).await? {
            all.extend(found);
        }
    }
    Ok(all)
}

async fn is_busy(kit: &Kit, Target { app, env }: &Target) -> Result<bool, Error> {
    let mut db = kit.db.read().await?;
    Ok(deployments::holder(&mut db, app, env).await?.is_some())
}

async fn of_target(kit: &Kit, target: &Target) -> Result<Vec<Drift>, Error> {
    if is_busy(kit, target).await? {
        return Ok(Vec::new());
    }
    let mut db = kit.db.read().await?;
    let place = Place::read(&mut db, target).await?;
    let mut all = Vec::new();
    for group in &place.groups {
        all.extend(of_release(&mut db, target, group).await);
    }
    drop(db);
    let provider = kit.ports.engines.of(&target.env).await?;
    let scope = Some((&target.app, &target.env));
    let seen = provider.engine.observe(scope).await.map_err(Problem::from)?;
    all.extend(place.groups.iter().filter_map(|group| of_group(target, group, &seen)));
    let traffic = provider.traffic.observe(&target.app, &target.env).await;
    let traffic = traffic.map_err(Problem::from)?;
    if !same_requests(&Shares::plan(target, &place, &[]).before, &traffic.state) {
        let expected = "those of the active groups";
        let version = format!("others, at version {}", traffic.version.0);
        all.push(drift(target, format!("traffic of {target}"), "its weights", expected, &version));
    }
    Ok(all)
}

/// The group's release is stored whole under its own digest, and of the group's image.
async fn of_release(
    db: &mut kiln_store::Connection,
    target: &Target,
    group: &KnownGroup,
) -> Option<Drift> {
    let subject = format!("release {}", group.spec.release.short());
    let found = match stored_release(db, group.spec.release).await {
        Ok(release) if release.id() != group.spec.release => release.id().short(),
        Ok(release) if release.image != group.spec.image => release.image.short(),
        Ok(_) => return None,
        Err(problem) => problem.message,
    };
    let expected = format!("what {} runs", group.spec.name);
    Some(drift(target, subject, "its content", &expected, &found))
}

fn of_group(target: &Target, group: &KnownGroup, seen: &Observation) -> Option<Drift> {
    let subject = format!("group {}", group.spec.name);
    let size = group.size.to_string();
    match seen.group(group.spec.id) {
        None => Some(drift(target, subject, "its instances", &size, "unknown to the engine")),
        Some(observed) if observed.desired != group.size => {
            Some(drift(target, subject, "its size", &size, &observed.desired.to_string()))
        }
        Some(_) => None,
    }
}

fn drift(target: &Target, subject: String, what: &str, expected: &str, found: &str) -> Drift {
    let Target { app, env } = target;
    Drift {
        app: Some(app.clone()),
        env: Some(env.clone()),
        subject,
        what: what.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        mend: format!("kiln redeploy {app} {env} -m \"drift\""),
    }
}
