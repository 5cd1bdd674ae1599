//! Log lines of instances.

use crate::app::Shared;
use crate::events::{Events, events};
use crate::refusal::Refusal;
use crate::request::{Names, Parameters};
use axum::extract::State;
use futures_util::StreamExt as _;
use kiln_catalog::{applications, environments};
use kiln_engine::{LogLine as Read, LogQuery, Source};
use kiln_names::{AppName, EnvName, GroupName, InstanceId};
use kiln_protocol::status::LogLine;
use kiln_protocol::{Code, paths};
use kiln_store::groups;
use serde::Deserialize;

/// How many of each instance's last lines are sent unless told, and at most.
const TAIL: usize = 100;
const MAX_TAIL: usize = 100_000;

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only this group's.
    #[param(value_type = Option<String>)]
    group: Option<GroupName>,
    /// Only this instance's.
    #[param(value_type = Option<String>)]
    instance: Option<InstanceId>,
    /// How many of each instance's last lines to begin with.
    tail: Option<usize>,
    /// Whether to go on with lines as they come.
    #[serde(default)]
    follow: bool,
}

/// Gives log lines.
#[utoipa::path(get, path = paths::LOGS, tag = "instances", params(Which),
    responses((status = 200, body = LogLine, content_type = "text/event-stream")))]
pub(crate) async fn logs(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
    Parameters(which): Parameters<Which>,
) -> Result<Events, Refusal> {
    applications::show(&kiln.database, &app).await?;
    environments::show(&kiln.database, &env).await?;
    let provider = kiln.engines.of(&env).await?;
    let Which { group, instance, tail, follow } = which;
    if let Some(name) = &group {
        let db = &mut *kiln.database.read().await?;
        if !groups::was_ever(db, (&app, &env), name).await? {
            let detail = format!("{app} has no group {name} in {env}");
            let refusal = Refusal::new(Code::GroupNotFound, detail);
            return Err(refusal.hint(format!("kiln status {app} {env} names them.")));
        }
    }
    let tail = tail.unwrap_or(TAIL).min(MAX_TAIL);
    let query = LogQuery { app, env, group, instance, tail, follow };
    let lines = provider.engine.logs(query).await?;
    Ok(events(lines.map(|line| Ok(shown(line)))))
}

fn shown(line: Read) -> LogLine {
    let Read { instance, group, time, source, text } = line;
    let source = match source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    };
    LogLine { instance, group, time, source: source.to_owned(), text }
}
