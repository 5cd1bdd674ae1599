//! Configuration: files and their commits, to read and to replace.

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names, Parameters};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use kiln_catalog::{applications, environments};
use kiln_config::{LogEntry, Put, PutOutcome, Revision as At, Snapshot};
use kiln_names::{AppName, EnvName};
use kiln_protocol::configuration::ConfigurationFile;
use kiln_protocol::revision::{Commit, Comparison, Configured, NewFile, Revision, changes};
use kiln_protocol::{Code, Timestamp, paths};
use kiln_store::audit;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// How many commits are listed unless told.
const LOG: u32 = 20;

/// At which commit.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtCommit {
    /// `HEAD`, `HEAD~n`, or a commit, whole or abbreviated; the newest unless given.
    at: Option<String>,
}

/// Between which commits.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Between {
    /// The commit that is compared with; the one before the newest unless given.
    from: Option<String>,
    /// The commit that is compared; the newest unless given.
    to: Option<String>,
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
    let snapshot = read(&kiln, (&app, &env), at.as_deref(), At::HEAD).await?;
    Ok(Json(Revision { app, env, commit: snapshot.commit, files: texts(&snapshot) }))
}

/// Gives one file at a commit, as it stands there; the commit is its `ETag`.
#[utoipa::path(get, path = paths::CONFIG_FILE, tag = "configuration", params(AtCommit),
    responses((status = 200, body = Object)))]
pub(crate) async fn file(
    State(kiln): Shared,
    Names((app, env, file)): Names<(AppName, EnvName, ConfigurationFile)>,
    Parameters(AtCommit { at }): Parameters<AtCommit>,
) -> Result<impl IntoResponse, Refusal> {
    ensure(&kiln, &app, &env).await?;
    let snapshot = read(&kiln, (&app, &env), at.as_deref(), At::HEAD).await?;
    let commit = format!("\"{}\"", snapshot.commit);
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, commit)];
    Ok((headers, snapshot.text(file).to_owned()))
}

/// Compares two commits, key by key.
#[utoipa::path(get, path = paths::CONFIG_DIFF, tag = "configuration", params(Between),
    responses((status = 200, body = Comparison)))]
pub(crate) async fn diff(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
    Parameters(Between { from, to }): Parameters<Between>,
) -> Answer<Comparison> {
    ensure(&kiln, &app, &env).await?;
    let old = read(&kiln, (&app, &env), from.as_deref(), At::Before(1)).await?;
    let new = read(&kiln, (&app, &env), to.as_deref(), At::HEAD).await?;
    let changes = changes(&texts(&old), &texts(&new));
    Ok(Json(Comparison { app, env, from: old.commit, to: new.commit, changes }))
}

/// Lists the applications and environments that have configuration.
#[utoipa::path(get, path = paths::CONFIGURED, tag = "configuration",
    responses((status = 200, body = [Configured])))]
pub(crate) async fn list(State(kiln): Shared) -> Answer<Vec<Configured>> {
    let configurations = kiln.configurations.clone();
    let listed =
        super::blocking(move || configurations.list().map_err(|error| Refusal::internal(&error)));
    let apps = applications::list(&kiln.database).await?;
    let envs = environments::list(&kiln.database).await?;
    let mut found = Vec::new();
    for (app, env) in listed.await? {
        // What belongs to an application that was deleted is kept, and is nobody's.
        let known = apps.iter().any(|it| it.name == app) && envs.iter().any(|it| it.name == env);
        let newest = match known {
            true => kiln.configurations.log(&app, &env, 1).await?.into_iter().next(),
            false => None,
        };
        found.extend(newest.map(|entry| Configured { app, env, newest: shown(entry) }));
    }
    Ok(Json(found))
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
    if let PutOutcome::Committed(commit) =
        kiln.configurations.put(&app, &env, file, content, &put).await?
    {
        let what = json!({"did": "put configuration", "app": app, "env": env, "file": file,
            "commit": commit});
        // Git has made the commit, with its author and its time; this is the record beside it.
        let mut db = kiln.database.write().await?;
        audit::record(&mut db, &by, &what).await?;
        db.commit().await?;
    }
    // The newest commit, which is this one, or the one that had this content before.
    let newest = kiln.configurations.log(&app, &env, 1).await?.into_iter().next();
    let newest = newest.ok_or_else(|| Refusal::new(Code::CommitNotFound, "no commit is there"))?;
    Ok(Json(shown(newest)))
}

/// Makes the repository if application and environment are there.
pub(super) async fn ensure(kiln: &App, app: &AppName, env: &EnvName) -> Result<(), Refusal> {
    applications::show(&kiln.database, app).await?;
    environments::show(&kiln.database, env).await?;
    Ok(kiln.configurations.ensure(app, env).await?)
}

/// The files at a commit that a person has named, or at `unless` told.
async fn read(
    kiln: &App,
    (app, env): (&AppName, &EnvName),
    at: Option<&str>,
    unless: At,
) -> Result<Snapshot, Refusal> {
    let at = at.map_or(Ok(unless), At::parse);
    let at = at.map_err(|invalid| Refusal::of(Code::Invalid, &invalid))?;
    Ok(kiln.configurations.read(app, env, &at).await?)
}

fn texts(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let text = |file: ConfigurationFile| (file.to_string(), snapshot.text(file).to_owned());
    ConfigurationFile::ALL.map(text).into()
}

fn shown(entry: LogEntry) -> Commit {
    let seconds = u64::try_from(entry.when).unwrap_or(0);
    let time = Timestamp(seconds.saturating_mul(1000));
    Commit { commit: entry.commit, author: entry.author, time, message: entry.message }
}
