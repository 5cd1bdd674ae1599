//! What every status, list and start of a deployment asks: none of it looks at more of a long history
//! than it answers. The statements are those that really run, as sqlx logs them.

use super::*;
use crate::deployments::{self, NewDeployment, StateChange};
use crate::journal::JournalRow;
use crate::{Database, activations, groups, images, journal, local, releases, retirements};
use kiln_names::ReleaseId;
use sqlx::AssertSqlSafe;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Tables that grow with history.
const LONG: [&str; 9] = [
    "deployments",
    "journal",
    "deployment_summaries",
    "server_groups",
    "activations",
    "releases",
    "versions",
    "images",
    "audit",
];
/// Indexes of what is there now, however long the history is: all of such a one may be looked at.
const OF_THE_PRESENT: [&str; 4] =
    ["server_groups_here", "deployments_lock", "deployments_whole", "local_instances_live"];

/// Hears the statements that sqlx runs, on whatever thread.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Statement(self));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Statement<'a>(&'a Statements);

impl Visit for Statement<'_> {
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.statement" && !value.is_empty() {
            self.0.0.lock().unwrap().push(value.trim().to_owned());
        }
    }
}

/// Everything that a status, a list and a deployment ask.
async fn ask_all(db: &mut crate::Write) {
    let (app, env) = ("hello".parse().unwrap(), "prod".parse().unwrap());
    let release = ReleaseId::of(b"a release");
    let id = DeploymentId::from_random([7; 6]);
    let new = NewDeployment {
        id,
        app,
        env,
        verb: "deploy".to_owned(),
        who: "ann".to_owned(),
        message: String::new(),
        state: "preparing".to_owned(),
        started_ms: 1,
    };
    let number = deployments::begin(db, &new).await.unwrap();
    let (app, env) = (&new.app, &new.env);
    let row = JournalRow { seq: 0, at_ms: 1, event: "{}".to_owned() };
    journal::append(db, number, &row).await.unwrap();
    journal::read(db, number).await.unwrap();
    deployments::holder(db, app, env).await.unwrap();
    deployments::holders(db).await.unwrap();
    deployments::get(db, id).await.unwrap();
    for scope in [None, Some((app, None)), Some((app, Some(env)))] {
        deployments::newest(db, scope, Some(9), 20).await.unwrap();
    }
    groups::clusters(db).await.unwrap();
    groups::here(db, app, env).await.unwrap();
    groups::newest_of(db, app, env, release).await.unwrap();
    groups::last_number(db, app, env).await.unwrap();
    activations::current(db, app, env).await.unwrap();
    activations::get(db, 1).await.unwrap();
    releases::get(db, release).await.unwrap();
    releases::find(db, app, env, "r-0123").await.unwrap();
    retirements::all(db).await.unwrap();
    retirements::of(db, app, env).await.unwrap();
    retirements::epoch(db, app, env).await.unwrap();
    images::versions(db, Some(app), 1).await.unwrap();
    images::images_by_prefix(db, "0123", 2).await.unwrap();
    images::versions_of(db, &kiln_names::Digest::of(b"an image")).await.unwrap();
    local::live_instances(db).await.unwrap();
    local::ended_instances(db, app, env).await.unwrap();
    clusters(db).await.unwrap();
    old(db, (app, env), 50, 20).await.unwrap();
    summary(db, number).await.unwrap();
    let change =
        StateChange { state: "completed", reason: None, locks: false, ended: true, at_ms: 2 };
    deployments::set_state(db, number, change).await.unwrap();
    compact(db, number, "{}").await.unwrap();
}

async fn plan(db: &mut crate::Write, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let rows = rows.fetch_all(&mut **db).await.unwrap();
    rows.iter().map(|row| row.try_get("detail").unwrap()).collect()
}

/// Whether a step of a plan looks at all of something that grows with history.
fn is_long(step: &str) -> bool {
    let mut words = step.strip_prefix("SCAN ").unwrap_or_default().split(' ');
    let scanned = words.next().unwrap_or_default();
    LONG.contains(&scanned) && !OF_THE_PRESENT.iter().any(|index| step.ends_with(index))
}

#[tokio::test]
async fn nothing_that_is_asked_often_looks_at_all_of_history() {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
    let mut write = db.write().await.unwrap();
    statements.0.lock().unwrap().clear();
    ask_all(&mut write).await;
    let asked = std::mem::take(&mut *statements.0.lock().unwrap());
    assert!(asked.len() > 25, "{asked:#?}");
    // What an insert returns is a scan too, of the row that it made.
    for sql in asked.into_iter().filter(|sql| !sql.starts_with("INSERT")) {
        let plan = plan(&mut write, &sql).await;
        assert!(!plan.iter().any(|step| is_long(step)), "{sql}\n{plan:#?}");
    }
}
