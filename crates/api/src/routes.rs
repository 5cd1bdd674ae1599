//! Which handler answers which path.

use crate::app::App;
use crate::handlers::deployments::ask;
use crate::handlers::{
    apps, backup, bakes, bases, blobs, configuration, deployments, envs, git, health, images, lock,
    logs, registry, routers, running, runs, secrets, volumes,
};
use crate::refusal::{Refusal, keeps_on};
use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use kiln_protocol::{Code, paths};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take, or the beginning of a stream.
const PROMPT: Duration = Duration::from_secs(60);

/// How long an answer may take that moves much data: an archive of gigabytes over a slow line.
const PATIENT: Duration = Duration::from_secs(3600);

type Route = (&'static str, Duration, MethodRouter<Arc<App>>);

/// The API of `app`.
pub fn router(app: Arc<App>) -> Router {
    keeps_on(app.images.root());
    let routes = table().into_iter().fold(Router::new(), |router, (path, limit, methods)| {
        let limited = from_fn(move |request, next| within(limit, request, next));
        router.route(path, methods.layer(limited))
    });
    routes.fallback(no_such_path).method_not_allowed_fallback(method_not_allowed).with_state(app)
}

/// Every path, how long it may take, and what answers it.
pub(crate) fn table() -> Vec<Route> {
    vec![
        (paths::HEALTH, PROMPT, get(health::health)),
        (paths::OPENAPI, PROMPT, get(health::openapi)),
        (paths::BACKUP, PATIENT, get(backup::backup)),
        (paths::APPS, PROMPT, get(apps::list).post(apps::create)),
        (paths::APP, PROMPT, get(apps::show).delete(apps::delete)),
        (paths::APP_METADATA, PROMPT, get(apps::get).put(apps::set).delete(apps::unset)),
        (paths::ENVS, PROMPT, get(envs::list).post(envs::create)),
        (paths::ENV, PROMPT, get(envs::show).delete(envs::delete)),
        (paths::ENV_CHECK, PROMPT, get(envs::check)),
        (paths::ENV_METADATA, PROMPT, put(envs::set)),
        (paths::BASES, PROMPT, get(bases::list)),
        (paths::BASE, PROMPT, post(bases::bake)),
        (paths::BAKES, PROMPT, post(bakes::bake)),
        (paths::BLOB, PATIENT, put(blobs::put)),
        (paths::IMAGES, PROMPT, get(images::list).post(images::import)),
        (paths::IMAGE_ARCHIVE, PROMPT, get(images::export)),
        (paths::IMAGE, PROMPT, get(images::show).delete(images::remove)),
        (paths::RUNS, PROMPT, post(runs::run)),
        (paths::RUN_STOP, PROMPT, post(runs::stop)),
        (paths::IMAGE_DIFF, PROMPT, get(images::diff)),
        (paths::COLLECT, PATIENT, post(images::collect)),
        (paths::CONFIG, PROMPT, get(configuration::show)),
        (paths::CONFIG_LOG, PROMPT, get(configuration::log)),
        (paths::CONFIG_DIFF, PROMPT, get(configuration::diff)),
        (paths::CONFIG_FILE, PROMPT, get(configuration::file).put(configuration::put)),
        (paths::CONFIGURED, PROMPT, get(configuration::list)),
        (paths::REGISTRY, PROMPT, get(registry::registry)),
        (paths::REGISTRY_CATALOG, PROMPT, get(registry::catalog)),
        (paths::REGISTRY_TAGS, PROMPT, get(registry::tags)),
        (paths::REGISTRY_MANIFEST, PROMPT, get(registry::manifests)),
        (paths::REGISTRY_BLOB, PROMPT, get(registry::blobs)),
        (paths::REGISTRY_BASE_TAGS, PROMPT, get(registry::base_tags)),
        (paths::REGISTRY_BASE_MANIFEST, PROMPT, get(registry::base_manifests)),
        (paths::REGISTRY_BASE_BLOB, PROMPT, get(registry::base_blobs)),
        (paths::GIT_REFERENCES, PATIENT, get(git::references)),
        (paths::GIT_FETCH, PATIENT, post(git::fetch)),
        (paths::GIT_PUSH, PATIENT, post(git::push)),
        (paths::SECRETS, PROMPT, get(secrets::list)),
        (paths::SECRET, PROMPT, put(secrets::set).delete(secrets::remove)),
        (paths::PLAN, PROMPT, post(ask::plan)),
        (paths::DEPLOY, PROMPT, post(ask::deploy)),
        (paths::ROLLBACK_PLAN, PROMPT, post(ask::plan_rollback)),
        (paths::ROLLBACK, PROMPT, post(ask::rollback)),
        (paths::REDEPLOY, PROMPT, post(ask::redeploy)),
        (paths::UNDO, PROMPT, post(deployments::undo)),
        (paths::ABORT, PROMPT, post(deployments::abort)),
        (paths::RETRY, PROMPT, post(deployments::retry)),
        (paths::PAUSE, PROMPT, post(deployments::pause)),
        (paths::RESUME, PROMPT, post(deployments::resume)),
        (paths::LOCK, PROMPT, get(lock::show).put(lock::take).delete(lock::release)),
        (paths::STOP, PROMPT, post(ask::stop)),
        (paths::RESIZE, PROMPT, post(ask::resize)),
        (paths::REPLACE, PROMPT, post(ask::replace)),
        (paths::DEPLOYMENTS, PROMPT, get(deployments::list)),
        (paths::DEPLOYMENT, PROMPT, get(deployments::show)),
        (paths::DEPLOYMENT_EVENTS, PROMPT, get(deployments::watch)),
        (paths::STATUS, PROMPT, get(running::status)),
        (paths::INSTANCES, PROMPT, get(running::instances)),
        (paths::VOLUMES, PROMPT, get(volumes::list)),
        (paths::VOLUME, PATIENT, delete(volumes::remove)),
        (paths::DRIFT, PATIENT, get(running::drift)),
        (paths::ROUTERS, PROMPT, get(routers::list)),
        (paths::ROUTER, PROMPT, delete(routers::remove)),
        (paths::ROUTER_TABLE, PROMPT, get(routers::table)),
        (paths::ROUTER_STATUS, PROMPT, put(routers::report)),
        (paths::CAPACITY, PROMPT, get(running::capacity)),
        (paths::LOGS, PROMPT, get(logs::logs)),
    ]
}

/// Gives up on a request whose answer takes too long.
async fn within(limit: Duration, request: Request, next: Next) -> Result<Response, Refusal> {
    tokio::time::timeout(limit, next.run(request)).await.map_err(|_| {
        let detail = format!("there was no answer within {} s", limit.as_secs());
        Refusal::new(Code::Timeout, detail)
    })
}

async fn no_such_path(request: Request) -> Response {
    let detail = format!("there is nothing at {}", request.uri().path());
    if registry::is_registry(request.uri().path()) {
        return match *request.method() {
            Method::GET | Method::HEAD => registry::no_such_path(detail).into_response(),
            _ => {
                registry::not_a_pull("images are baked here, not pushed".to_owned()).into_response()
            }
        };
    }
    let hint = format!("{} lists all paths.", paths::OPENAPI);
    Refusal::new(Code::NoSuchPath, detail).hint(hint).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    if registry::is_registry(request.uri().path()) {
        return registry::not_a_pull(detail).into_response();
    }
    Refusal::new(Code::MethodNotAllowed, detail).into_response()
}
