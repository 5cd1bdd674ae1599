//! That Kiln works, and what it can be asked.

use crate::app::Shared;
use axum::Json;
use axum::extract::State;
use kiln_protocol::paths;
use kiln_protocol::status::Health;

/// Says that Kiln works, and which one it is.
#[utoipa::path(get, path = paths::HEALTH, tag = "kiln", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(app): Shared) -> Json<Health> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Json(Health { version, install: app.install, address: app.address })
}

/// Describes the API.
#[utoipa::path(get, path = paths::OPENAPI, tag = "kiln", responses((status = 200, body = Object)))]
pub(crate) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(crate::openapi::document())
}
