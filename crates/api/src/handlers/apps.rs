//! Applications.

use super::envs::metadata_key;
use crate::app::Shared;
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_catalog::{ApplicationRow, Edit, applications, environments};
use kiln_names::AppName;
use kiln_protocol::catalog::{App, NewApp};
use kiln_protocol::{Timestamp, paths};
use kiln_store::{Write, deployments, groups};
use serde_json::{Map, Value};

/// Creates an application.
#[utoipa::path(post, path = paths::APPS, tag = "catalog", request_body = NewApp,
    responses((status = 200, body = App)))]
pub(crate) async fn create(
    State(app): Shared,
    Caller(by): Caller,
    Body(new): Body<NewApp>,
) -> Answer<App> {
    let contact = new.contact.map(|contact| ("contact".to_owned(), Value::String(contact)));
    let metadata = Map::from_iter(contact);
    let row = applications::create(&app.database, &new.name, metadata, &by).await?;
    Ok(Json(shown(row)))
}

/// Lists the applications by name.
#[utoipa::path(get, path = paths::APPS, tag = "catalog", responses((status = 200, body = [App])))]
pub(crate) async fn list(State(app): Shared) -> Answer<Vec<App>> {
    let rows = applications::list(&app.database).await?;
    Ok(Json(rows.into_iter().map(shown).collect()))
}

/// Shows an application.
#[utoipa::path(get, path = paths::APP, tag = "catalog", responses((status = 200, body = App)))]
pub(crate) async fn show(State(app): Shared, Names(name): Names<AppName>) -> Answer<App> {
    Ok(Json(shown(applications::show(&app.database, &name).await?)))
}

/// Deletes an application that is deployed nowhere.
#[utoipa::path(delete, path = paths::APP, tag = "catalog", responses((status = 204)))]
pub(crate) async fn delete(
    State(app): Shared,
    Caller(by): Caller,
    Names(name): Names<AppName>,
) -> Result<StatusCode, Refusal> {
    for env in environments::list(&app.database).await? {
        let kept = super::volumes::kept(&app, &env.name).await?;
        if let Some((kept, _)) = kept.iter().find(|(kept, _)| kept.app == name) {
            return Err(super::volumes::in_the_way(&format!("delete application {name}"), kept));
        }
    }
    let of = name.clone();
    applications::delete(&app.database, &name, |db| Box::pin(deployed(db, of)), &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the application has groups or a deployment in progress.
async fn deployed(db: &mut Write, app: AppName) -> Result<Vec<String>, kiln_store::StoreError> {
    let clusters = groups::clusters(db).await?.into_iter();
    let deployed = clusters.filter(|(of, _)| *of == app).map(|(_, env)| format!("runs in {env}"));
    let mut holders: Vec<String> = deployed.collect();
    let busy = deployments::holders(db).await?.into_iter().filter(|row| row.app == app);
    holders
        .extend(busy.map(|row| format!("{} {} is {} in {}", row.verb, row.id, row.state, row.env)));
    Ok(holders)
}

/// Gives a property of an application.
#[utoipa::path(get, path = paths::APP_METADATA, tag = "catalog",
    responses((status = 200, body = Value)))]
pub(crate) async fn get(
    State(app): Shared,
    Names((name, key)): Names<(AppName, String)>,
) -> Answer<Value> {
    Ok(Json(applications::get(&app.database, &name, &metadata_key(&key)?).await?))
}

/// Records a property of an application.
#[utoipa::path(put, path = paths::APP_METADATA, tag = "catalog",
    request_body = Value,
    responses((status = 200, body = App)))]
pub(crate) async fn set(
    State(app): Shared,
    Caller(by): Caller,
    Names((name, key)): Names<(AppName, String)>,
    Body(value): Body<Value>,
) -> Answer<App> {
    let edit = Edit::Set(metadata_key(&key)?, value);
    Ok(Json(shown(applications::edit(&app.database, &name, edit, &by).await?)))
}

/// Forgets a property of an application.
#[utoipa::path(delete, path = paths::APP_METADATA, tag = "catalog",
    responses((status = 200, body = App)))]
pub(crate) async fn unset(
    State(app): Shared,
    Caller(by): Caller,
    Names((name, key)): Names<(AppName, String)>,
) -> Answer<App> {
    let edit = Edit::Unset(metadata_key(&key)?);
    Ok(Json(shown(applications::edit(&app.database, &name, edit, &by).await?)))
}

fn shown(row: ApplicationRow) -> App {
    let ApplicationRow { name, created_ms, metadata } = row;
    App { name, metadata, created: Timestamp(created_ms) }
}
