//! What people see of deployments and of what runs.

use crate::decide::hint;
use crate::journal::{Event, Record};
use crate::kit::Kit;
use crate::place::{KnownGroup, Place, stored_release};
use crate::plan::{Phase, Plan};
use crate::status::{Direction, Status};
use crate::{Error, Failure, Problem, Release, Target, archive};
use kiln_engine::{
    ClusterTraffic, EndedInstance, GroupSpec, InstanceState, ObservedGroup, ObservedInstance,
    TrafficObservation,
};
use kiln_names::{ByteSize, DeploymentId, GroupId, GroupName, ProcessName, ReleaseId, Route};
use kiln_protocol::deployment::{DeploymentState, Difference};
use kiln_protocol::status::{ExternalAddress, ExternalGroup, GroupState, ProcessMemory};
use kiln_store::deployments::DeploymentRow;
use kiln_store::{deployments, groups, history, journal};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// A deployment in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: DeploymentId,
    /// What it changes.
    pub target: Target,
    /// What was asked for.
    pub verb: String,
    /// Who asked.
    pub who: String,
    /// Why.
    pub message: String,
    /// The release it goes to, once that is known.
    pub release: Option<ReleaseId>,
    /// Where it is in its life.
    pub state: DeploymentState,
    /// Why it is there.
    pub reason: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// Since when it is in its state.
    pub since_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

/// All of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// It in short.
    pub summary: Summary,
    /// Its plan, once it is sealed and for as long as its journal is kept.
    pub plan: Option<Arc<Plan>>,
    /// The release that was active before.
    pub from: Option<ReleaseId>,
    /// How the release it goes to differs from that one.
    pub differences: Vec<Difference>,
    /// Whether its plan is carried out or taken back.
    pub direction: Direction,
    /// Its actions as far as they got, in order; those of an undo after those of the plan.
    pub actions: Vec<ActionView>,
    /// Why an action failed.
    pub failure: Option<(String, Failure)>,
    /// What to type next.
    pub hint: Option<String>,
    /// The place of its journal's last record.
    pub seq: u64,
    /// Its whole journal; nothing of it once it has given way to a summary.
    pub journal: Vec<Record>,
}

/// An action as far as it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionView {
    /// Its name.
    pub name: String,
    /// Its part of the deployment.
    pub phase: Phase,
    /// What it does, with what.
    pub summary: String,
    /// What it found or did.
    pub note: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended, and whether well.
    pub ended: Option<(u64, bool)>,
}

/// What runs of an application in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// The application and the environment.
    pub target: Target,
    /// The active release, with since when, in milliseconds since 1970.
    pub active: Option<(Release, u64)>,
    /// The deployment in progress, else the last one.
    pub deployment: Option<Summary>,
    /// The groups that are not gone, the newest first.
    pub groups: Vec<GroupView>,
    /// The memory of each process that is active, as far as it was measured.
    pub memory: Vec<ProcessMemory>,
    /// What takes a part of the requests outside.
    pub external: Vec<ExternalGroup>,
}

/// An instance that ended, with what is known of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedView {
    /// Its group's name.
    pub group: GroupName,
    /// Its process; none if its group is forgotten.
    pub process: Option<ProcessName>,
    /// The memory that it might use.
    pub memory_limit: Option<ByteSize>,
    /// It as it was last.
    pub instance: ObservedInstance,
}

/// A group as it is meant to be, with what its engine sees of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// Its identity.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Its process.
    pub process: ProcessName,
    /// Its release.
    pub release: ReleaseId,
    /// Where it is in its life.
    pub state: GroupState,
    /// How many instances it should have.
    pub size: u32,
    /// The memory that each of them may use.
    pub memory_limit: ByteSize,
    /// Where its cluster is reached.
    pub routes: Vec<Route>,
    /// Its share of its cluster's traffic in percent; none without routes, or if nobody can tell.
    pub weight: Option<u32>,
    /// The requests that it works on, where it has no share or some of its instances drain.
    pub in_flight: Option<u64>,
    /// Until when it is kept, in milliseconds since 1970, if it is to be removed.
    pub kept_until_ms: Option<u64>,
    /// Its instances; none if the engine cannot tell.
    pub instances: Option<Vec<ObservedInstance>>,
}

// === impl ActionView ===

impl ActionView {
    fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

// === impl Summary ===

impl Summary {
    pub(crate) fn of(row: DeploymentRow) -> Self {
        Self {
            id: row.id,
            target: Target { app: row.app, env: row.env },
            verb: row.verb,
            who: row.who,
            message: row.message,
            release: row.release,
            state: deployment_state(&row.state),
            reason: row.reason,
            started_ms: row.started_ms,
            since_ms: row.since_ms,
            ended_ms: row.ended_ms,
        }
    }
}

/// Reads a stored state. One that this Kiln does not know needs a person, as does *stuck*.
pub(crate) fn deployment_state(text: &str) -> DeploymentState {
    use DeploymentState::{Completed, Invalid, Paused, Preparing, Running, Stuck, Undone};
    let all = [Preparing, Running, Paused, Completed, Invalid, Undone, Stuck];
    all.into_iter().find(|state| state.as_str() == text).unwrap_or(Stuck)
}

/// The records of a deployment.
pub(crate) async fn journal(kit: &Kit, id: DeploymentId) -> Result<Vec<Record>, Error> {
    let mut db = kit.db.read().await?;
    let row = deployments::get(&mut db, id).await?.ok_or(Error::NoDeployment(id))?;
    let rows = journal::read(&mut db, row.number).await?;
    let records = rows.iter().map(Record::from_row).collect::<Result<_, _>>();
    records.map_err(|e| Error::Journal { deployment: id, reason: e.to_string() })
}

/// The newest deployments.
pub(crate) async fn newest(
    kit: &Kit,
    scope: Option<(&kiln_names::AppName, Option<&kiln_names::EnvName>)>,
    before: Option<DeploymentId>,
    limit: u32,
) -> Result<Vec<Summary>, Error> {
    let mut db = kit.db.read().await?;
    let before = match before {
        None => None,
        Some(id) => {
            let row = deployments::get(&mut db, id).await?;
            Some(row.ok_or(Error::NoDeployment(id))?.number)
        }
    };
    let rows = deployments::newest(&mut db, scope, before, limit).await?;
    Ok(rows.into_iter().map(Summary::of).collect())
}

/// All of one deployment.
pub(crate) async fn deployment(kit: &Kit, id: DeploymentId) -> Result<Deployment, Error> {
    let mut db = kit.db.read().await?;
    let row = deployments::get(&mut db, id).await?.ok_or(Error::NoDeployment(id))?;
    if let Some(stored) = history::summary(&mut db, row.number).await? {
        return archive::read(Summary::of(row), &stored);
    }
    drop(db);
    let journal = journal(kit, id).await?;
    folded(Summary::of(row), journal)
}

/// What a journal adds up to, for people.
pub(crate) fn folded(summary: Summary, journal: Vec<Record>) -> Result<Deployment, Error> {
    let id = summary.id;
    let illegal =
        |e: crate::IllegalTransition| Error::Journal { deployment: id, reason: e.to_string() };
    let (mut status, mut actions, mut failure) = (Status::new(), Vec::new(), None);
    for record in &journal {
        note_action(&status, record, &mut actions);
        match &record.event {
            Event::Failed { action, failure: why, .. } => {
                failure = Some((action.clone(), (**why).clone()));
            }
            // What was tried again did not fail in the end.
            Event::RetryAsked { .. } if status.direction == Direction::Forward => failure = None,
            _ => {}
        }
        status = status.after(record).map_err(illegal)?;
    }
    let hint = status.request.as_ref().and_then(|request| {
        let failed = failure.as_ref().and_then(|(_, failure)| failure.instance);
        hint(request, &status, failed)
    });
    let (plan, direction) = (status.plan, status.direction);
    Ok(Deployment {
        summary,
        from: plan.as_ref().and_then(|plan| plan.from),
        differences: plan.as_ref().map(|plan| plan.differences.clone()).unwrap_or_default(),
        plan,
        direction,
        actions,
        failure,
        hint,
        seq: journal.last().map_or(0, |record| record.seq),
        journal,
    })
}

fn note_action(status: &Status, record: &Record, actions: &mut Vec<ActionView>) {
    let end = |actions: &mut Vec<ActionView>, note: Option<&String>, well| {
        if let Some(last) = actions.last_mut() {
            last.note = note.cloned();
            last.ended = Some((record.at_ms, well));
        }
    };
    match &record.event {
        Event::Finished { note, .. } => end(actions, note.as_ref(), true),
        Event::Failed { failure, .. } => end(actions, Some(&failure.reason), false),
        // A pause that the plan asks for lasts until a person ends it.
        Event::ResumeAsked { by } if actions.last().is_some_and(ActionView::is_open) => {
            end(actions, Some(&format!("resumed by {by}")), true);
        }
        Event::Intended { index, .. } | Event::Paused { index, .. } => {
            let Some(planned) = status.actions().get(*index) else { return };
            actions.push(ActionView {
                name: planned.action.name().to_owned(),
                phase: planned.phase,
                summary: planned.action.summary(),
                note: None,
                started_ms: record.at_ms,
                ended: None,
            });
        }
        _ => {}
    }
}

/// The applications and environments that have groups.
pub(crate) async fn targets(kit: &Kit) -> Result<Vec<Target>, Error> {
    let clusters = groups::clusters(&mut *kit.db.read().await?).await?;
    Ok(clusters.into_iter().map(|(app, env)| Target { app, env }).collect())
}

/// What runs. An engine that does not answer leaves out what only it knows.
pub(crate) async fn running(kit: &Kit, target: &Target) -> Result<Running, Error> {
    let Target { app, env } = target;
    let mut db = kit.db.read().await?;
    let place = Place::read_all(&mut db, target).await?;
    let active = match place.current.as_ref().and_then(|now| Some((now.release?, now.at_ms))) {
        Some((release, at_ms)) => Some((stored_release(&mut db, release).await?, at_ms)),
        None => None,
    };
    let last = match deployments::holder(&mut db, app, env).await? {
        Some(holder) => Some(holder),
        None => deployments::newest(&mut db, Some((app, Some(env))), None, 1).await?.pop(),
    };
    drop(db);
    // Asked first: it looks at what instances use now.
    let memory = crate::memory::of(kit, &place).await?;
    let (groups, external) = seen(kit, target, place).await;
    Ok(Running {
        target: target.clone(),
        active,
        deployment: last.map(Summary::of),
        groups,
        memory,
        external,
    })
}

/// What is outside, process by process.
fn external(traffic: &TrafficObservation) -> Vec<ExternalGroup> {
    let of = |cluster: &ClusterTraffic| {
        let process = cluster.process.clone();
        let seen = traffic.external.iter().filter(|seen| seen.process == process);
        let addresses = seen.map(|seen| ExternalAddress {
            address: seen.address,
            healthy: seen.healthy,
            last_check: seen.last_check.clone(),
        });
        let addresses = addresses.collect();
        Some(ExternalGroup { weight: cluster.external.as_ref()?.weight, process, addresses })
    };
    traffic.state.clusters.iter().filter_map(of).collect()
}

/// The groups that are not gone, the newest first.
pub(crate) async fn groups(kit: &Kit, target: &Target) -> Result<Vec<GroupView>, Error> {
    let place = Place::read_all(&mut *kit.db.read().await?, target).await?;
    Ok(seen(kit, target, place).await.0)
}

/// The groups of a place with what its engine and its traffic see of them.
async fn seen(kit: &Kit, target: &Target, place: Place) -> (Vec<GroupView>, Vec<ExternalGroup>) {
    let (seen, traffic) = look(kit, target).await;
    let view = |group: KnownGroup| {
        let observed = seen.as_ref().and_then(|seen| seen.group(group.spec.id));
        let weight = traffic.as_ref().and_then(|traffic| weight(traffic, group.spec.id));
        let known = traffic.iter().flat_map(|traffic| &traffic.groups);
        let mut known = known.filter(|known| known.group == group.spec.id);
        let in_flight = known.next().and_then(|known| known.in_flight);
        GroupView {
            id: group.spec.id,
            weight,
            in_flight: in_flight.filter(|_| weight.unwrap_or(0) == 0 || drains(observed)),
            name: group.spec.name,
            process: group.spec.process,
            release: group.spec.release,
            state: group.state,
            size: group.size,
            memory_limit: group.spec.params.memory,
            routes: group.spec.params.routes,
            kept_until_ms: group.retirement.map(|row| row.due_ms),
            instances: observed.map(|observed| observed.instances.clone()),
        }
    };
    let groups = place.groups.into_iter().rev().map(view).collect();
    (groups, traffic.as_ref().map(external).unwrap_or_default())
}

/// The instances that ended, the latest first.
pub(crate) async fn ended(kit: &Kit, target: &Target) -> Result<Vec<EndedView>, Error> {
    let Target { app, env } = target;
    let engine = kit.ports.engines.of(env).await?.engine;
    let ended = engine.ended(app, env).await.map_err(Problem::from)?;
    let mut db = kit.db.read().await?;
    let mut known: HashMap<GroupId, Option<GroupSpec>> = HashMap::new();
    let mut views = Vec::with_capacity(ended.len());
    for EndedInstance { group, group_name, instance } in ended {
        if let Entry::Vacant(place) = known.entry(group) {
            let row = groups::get(&mut db, group).await?;
            place.insert(row.and_then(|row| serde_json::from_str(&row.spec).ok()));
        }
        let spec = known.get(&group).and_then(Option::as_ref);
        views.push(EndedView {
            group: group_name,
            process: spec.map(|spec| spec.process.clone()),
            memory_limit: spec.map(|spec| spec.params.memory),
            instance,
        });
    }
    Ok(views)
}

async fn look(
    kit: &Kit,
    target: &Target,
) -> (Option<kiln_engine::Observation>, Option<TrafficObservation>) {
    let Ok(provider) = kit.ports.engines.of(&target.env).await else { return (None, None) };
    let seen = provider.engine.observe(Some((&target.app, &target.env))).await;
    let traffic = provider.traffic.observe(&target.app, &target.env).await;
    (seen.ok(), traffic.ok())
}

/// Whether an instance finishes what it had begun.
fn drains(group: Option<&ObservedGroup>) -> bool {
    let mut instances = group.iter().flat_map(|group| &group.instances);
    instances.any(|instance| instance.state == InstanceState::Draining)
}

/// A group's share in percent of its cluster.
fn weight(traffic: &TrafficObservation, group: GroupId) -> Option<u32> {
    let cluster = traffic
        .state
        .clusters
        .iter()
        .find(|cluster| cluster.shares.iter().any(|share| share.group == group))?;
    let sum: u64 = cluster.shares.iter().map(|share| u64::from(share.weight)).sum();
    let own = cluster.shares.iter().find(|share| share.group == group)?.weight;
    let rest = 100 - cluster.external.as_ref().map_or(0, |external| external.weight.min(100));
    let percent = (u64::from(own) * u64::from(rest)).checked_div(sum).unwrap_or(0);
    Some(u32::try_from(percent).unwrap_or(100))
}

/// The application and environment that an instance belongs to.
pub(crate) async fn target_of(
    kit: &Kit,
    instance: kiln_names::InstanceId,
) -> Result<Target, Error> {
    for target in targets(kit).await? {
        let (seen, _) = look(kit, &target).await;
        let mut groups = seen.iter().flat_map(|seen| &seen.groups);
        if groups.any(|group| group.instances.iter().any(|known| known.id == instance)) {
            return Ok(target);
        }
    }
    Err(Problem::not_found(format!("there is no instance {instance}")).into())
}
