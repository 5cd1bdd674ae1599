//! Configuration: files and their commits.

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use kiln_catalog::{applications, environments};
use kiln_config::{LogEntry, Put, Revision as At};
use kiln_names::{AppName, EnvName};
use kiln_protocol::configuration::ConfigurationFile;
use kiln_protocol::revision::{Commit, NewFile, Revision};
use kiln_protocol::{Code, Timestamp, paths};
use serde::Deserialize;

/// How many commits are listed unless told.
const LOG: u32 = 20;

/// At which commit.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtCommit {
    /// `HEAD`, `HEAD~n`, or a commit, whole or abbreviated; the newest unless given.
    at: Option<String>,
}

/// How many.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtMost {
    /// How many at most.
    limit: Option<u32>,
}

/// Gives the files at a commit.
#[utoipa::path(get, path = paths::CONFIG, tag = "configuration", params(AtCommit),
    responses((status = 200, body = Revision)))]
pub(crate) async fn show(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
    Parameters(AtCommit { at }): Parameters<AtCommit>,
) -> Answer<Revision> {
    ensure(&kiln, &app, &env).await?;
    let at = at.as_deref().map_or(Ok(At::HEAD), At::parse);
    let at = at.map_err(|invalid| Refusal::of(Code::Invalid, &invalid))?;
    let snapshot = kiln.configurations.read(&app, &env, &at).await?;
    let text = |file: ConfigurationFile| (file.to_string(), snapshot.text(file).to_owned());
    let files = ConfigurationFile::ALL.map(text).into();
    Ok(Json(Revision { app, env, commit: snapshot.commit, files }))
}

/// Lists the commits, the newest first.
#[utoipa::path(get, path = paths::CONFIG_LOG, tag = "configuration", params(AtMost),
    responses((status = 200, body = [Commit])))]
pub(crate) async fn log(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
    Parameters(AtMost { limit }): Parameters<AtMost>,
) -> Answer<Vec<Commit>> {
    ensure(&kiln, &app, &env).await?;
    let entries = kiln.configurations.log(&app, &env, limit.unwrap_or(LOG)).await?;
    Ok(Json(entries.into_iter().map(shown).collect()))
}

/// Replaces one whole file.
#[utoipa::path(put, path = paths::CONFIG_FILE, tag = "configuration",
    request_body = NewFile,
    responses((status = 200, body = Commit)))]
pub(crate) async fn put(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env, file)): Names<(AppName, EnvName, ConfigurationFile)>,
    Body(new): Body<NewFile>,
) -> Answer<Commit> {
    ensure(&kiln, &app, &env).await?;
    let NewFile { content, message, expect } = new;
    let put = Put { message: &message, author: &by.who, when: by.at_ms / 1000, expect };
    let content = content.as_bytes();
    kiln.configurations.put(&app, &env, file, content, &put).await?;
    // The newest commit, which is this one, or the one that had this content before.
    let newest = kiln.configurations.log(&app, &env, 1).await?.into_iter().next();
    let newest = newest.ok_or_else(|| Refusal::new(Code::CommitNotFound, "no commit is there"))?;
    Ok(Json(shown(newest)))
}

/// Makes the repository if application and environment are there.
async fn ensure(kiln: &App, app: &AppName, env: &EnvName) -> Result<(), Refusal> {
    applications::show(&kiln.database, app).await?;
    environments::show(&kiln.database, env).await?;
    Ok(kiln.configurations.ensure(app, env).await?)
}

fn shown(entry: LogEntry) -> Commit {
    let seconds = u64::try_from(entry.when).unwrap_or(0);
    let time = Timestamp(seconds.saturating_mul(1000));
    Commit { commit: entry.commit, author: entry.author, time, message: entry.message }
}
