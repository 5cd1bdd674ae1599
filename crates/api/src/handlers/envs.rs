//! Environments.

use crate::app::Shared;
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_catalog::{Edit, EnvironmentRow, Key, environments};
use kiln_names::EnvName;
use kiln_protocol::catalog::{Environment, Finding, NewEnvironment};
use kiln_protocol::{Code, Timestamp, paths};
use kiln_store::{Write, deployments, groups};
use serde_json::{Map, Value};

/// Creates an environment.
#[utoipa::path(post, path = paths::ENVS, tag = "catalog",
    request_body = NewEnvironment,
    responses((status = 200, body = Environment)))]
pub(crate) async fn create(
    State(app): Shared,
    Caller(by): Caller,
    Body(new): Body<NewEnvironment>,
) -> Answer<Environment> {
    let NewEnvironment { name, engine, settings } = new;
    app.engines.accept(&engine, &settings)?;
    let metadata = Map::new();
    let new = environments::NewEnvironment { name, engine, settings, metadata };
    Ok(Json(shown(environments::create(&app.database, new, &by).await?)))
}

/// Lists the environments by name.
#[utoipa::path(get, path = paths::ENVS, tag = "catalog",
    responses((status = 200, body = [Environment])))]
pub(crate) async fn list(State(app): Shared) -> Answer<Vec<Environment>> {
    let rows = environments::list(&app.database).await?;
    Ok(Json(rows.into_iter().map(shown).collect()))
}

/// Shows an environment.
#[utoipa::path(get, path = paths::ENV, tag = "catalog",
    responses((status = 200, body = Environment)))]
pub(crate) async fn show(State(app): Shared, Names(name): Names<EnvName>) -> Answer<Environment> {
    Ok(Json(shown(environments::show(&app.database, &name).await?)))
}

/// Deletes an environment that nothing is deployed to.
#[utoipa::path(delete, path = paths::ENV, tag = "catalog", responses((status = 204)))]
pub(crate) async fn delete(
    State(app): Shared,
    Caller(by): Caller,
    Names(name): Names<EnvName>,
) -> Result<StatusCode, Refusal> {
    if let Some((kept, _)) = super::volumes::kept(&app, &name).await?.first() {
        return Err(super::volumes::in_the_way(&format!("delete environment {name}"), kept));
    }
    let of = name.clone();
    environments::delete(&app.database, &name, |db| Box::pin(deployed(db, of)), &by).await?;
    app.engines.forget(&name).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at all that an environment's engine needs.
#[utoipa::path(get, path = paths::ENV_CHECK, tag = "catalog",
    responses((status = 200, body = [Finding])))]
pub(crate) async fn check(State(app): Shared, Names(name): Names<EnvName>) -> Answer<Vec<Finding>> {
    environments::show(&app.database, &name).await?;
    Ok(Json(app.engines.check(&name).await?))
}

/// What has groups or a deployment in progress in the environment.
async fn deployed(db: &mut Write, env: EnvName) -> Result<Vec<String>, kiln_store::StoreError> {
    let clusters = groups::clusters(db).await?.into_iter();
    let deployed =
        clusters.filter(|(_, of)| *of == env).map(|(app, _)| format!("{app} runs there"));
    let mut holders: Vec<String> = deployed.collect();
    let busy = deployments::holders(db).await?.into_iter().filter(|row| row.env == env);
    holders
        .extend(busy.map(|row| format!("{} {} of {} is {}", row.verb, row.id, row.app, row.state)));
    Ok(holders)
}

/// Records a property of an environment.
#[utoipa::path(put, path = paths::ENV_METADATA, tag = "catalog",
    request_body = Value,
    responses((status = 200, body = Environment)))]
pub(crate) async fn set(
    State(app): Shared,
    Caller(by): Caller,
    Names((name, key)): Names<(EnvName, String)>,
    Body(value): Body<Value>,
) -> Answer<Environment> {
    let edit = Edit::Set(metadata_key(&key)?, value);
    Ok(Json(shown(environments::edit(&app.database, &name, edit, &by).await?)))
}

/// Reads the dotted path of a property.
pub(super) fn metadata_key(text: &str) -> Result<Key, Refusal> {
    Key::parse(text).map_err(|invalid| Refusal::of(Code::Invalid, &invalid))
}

fn shown(row: EnvironmentRow) -> Environment {
    let EnvironmentRow { name, engine, settings, created_ms, metadata } = row;
    Environment { name, engine, settings, metadata, created: Timestamp(created_ms) }
}
