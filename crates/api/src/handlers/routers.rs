//! Routers: who has joined, the tables that they come for, and what they report.

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_keeper::{Elsewhere, LEASE, MOST, NotHeard, Said};
use kiln_names::{InstallId, RouterName};
use kiln_protocol::router::{Router, RouterReport, RouterState, TableNumber};
use kiln_protocol::{Code, Timestamp, paths};
use kiln_router::{Status, Table};
use kiln_store::audit::By;
use kiln_store::routers;
use serde::Deserialize;
use std::time::Duration;

/// The longest that a question for a table stays open.
const LONGEST: Duration = Duration::from_secs(30);

/// Which table a router has, and how long it waits for a later one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Has {
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    wait_ms: u64,
}

/// Lists this machine's router, and those on others by name.
#[utoipa::path(get, path = paths::ROUTERS, tag = "routers",
    responses((status = 200, body = [Router])))]
pub(crate) async fn list(State(kiln): Shared) -> Answer<Vec<Router>> {
    let (link, now_ms) = (&kiln.routers, kiln.clock.now_ms());
    let wanted = link.wanted();
    let own = link.own();
    let present = own.as_ref().is_some_and(|said| said.ago <= LEASE);
    let own = shown(None, present, own, wanted, now_ms);
    let others = link.elsewhere().into_iter();
    let others = others
        .map(|Elsewhere { name, present, said }| shown(Some(name), present, said, wanted, now_ms));
    Ok(Json(std::iter::once(own).chain(others).collect()))
}

/// Counts a router out: no table is waited for until it carries it. One that still runs joins again.
#[utoipa::path(delete, path = paths::ROUTER, tag = "routers", responses((status = 204)))]
pub(crate) async fn remove(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(name): Names<RouterName>,
) -> Result<StatusCode, Refusal> {
    let mut write = kiln.database.write().await?;
    if !routers::remove(&mut write, &name, &by).await? {
        let refusal = Refusal::new(Code::NotFound, format!("no router {name} has joined"));
        return Err(refusal.hint("kiln routers list names those that have."));
    }
    write.commit().await?;
    kiln.routers.forget(&name);
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a router on another machine the newest table of what is reached from there, once there is a
/// later one than it has; null after `wait_ms`, of which 30 s count.
#[utoipa::path(get, path = paths::ROUTER_TABLE, tag = "routers",
    params(("epoch" = Option<u64>, Query), ("version" = Option<u64>, Query),
        ("wait_ms" = Option<u64>, Query)),
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn table(
    State(kiln): Shared,
    Names(_): Names<RouterName>,
    Parameters(has): Parameters<Has>,
) -> Answer<Option<Table>> {
    let wait = Duration::from_millis(has.wait_ms).min(LONGEST);
    Ok(Json(kiln.routers.newer_than((has.epoch, has.version), wait).await))
}

/// Takes what a router on another machine says of itself; with its first word it joins.
#[utoipa::path(put, path = paths::ROUTER_STATUS, tag = "routers",
    request_body = serde_json::Value, responses((status = 200)))]
pub(crate) async fn report(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(name): Names<RouterName>,
    Body(report): Body<RouterReport<Status>>,
) -> Answer<()> {
    let RouterReport { install, status } = report;
    status.check().map_err(|mistake| Refusal::new(Code::Invalid, mistake))?;
    match kiln.routers.report(&name, install, status.clone()) {
        Ok(()) => return Ok(Json(())),
        Err(NotHeard::Taken) => {
            let detail = format!("another router is called {name}, and is there");
            let refusal = Refusal::new(Code::InUse, detail);
            return Err(refusal.hint("give one of them another --name."));
        }
        Err(ahead @ NotHeard::Ahead { .. }) => {
            let refusal = Refusal::of(Code::InUse, &ahead);
            let hint = "kiln down on its machine, an empty --data, and let it join anew.";
            return Err(refusal.hint(hint));
        }
        Err(NotHeard::Unknown) => join(&kiln, &name, install, &by).await?,
    }
    // It may have been counted out at the same moment; then it joins with its next report.
    kiln.routers.report(&name, install, status).ok();
    Ok(Json(()))
}

async fn join(kiln: &App, name: &RouterName, install: InstallId, by: &By) -> Result<(), Refusal> {
    let mut write = kiln.database.write().await?;
    let known = routers::all(&mut write).await?;
    if known.len() >= MOST && known.iter().all(|row| row.name != *name) {
        let detail = format!("{MOST} routers have joined, and no more may");
        return Err(Refusal::new(Code::Forbidden, detail).hint("kiln routers remove NAME."));
    }
    routers::join(&mut write, name, install, by).await?;
    write.commit().await?;
    tracing::info!(router = %name, "a router has joined");
    kiln.routers.admit(name.clone(), install);
    Ok(())
}

fn shown(
    name: Option<RouterName>,
    present: bool,
    said: Option<Said>,
    wanted: (u64, u64),
    now_ms: u64,
) -> Router {
    let state = match &said {
        _ if !present => RouterState::Away,
        Some(said) if said.number >= wanted => RouterState::Current,
        _ => RouterState::Behind,
    };
    let ago = |said: &Said| u64::try_from(said.ago.as_millis()).unwrap_or(u64::MAX);
    Router {
        name,
        state,
        listen: said.as_ref().map(|said| said.listen),
        table: said
            .as_ref()
            .map(|said| TableNumber { epoch: said.number.0, version: said.number.1 }),
        heard: said.as_ref().map(|said| Timestamp(now_ms.saturating_sub(ago(said)))),
    }
}
