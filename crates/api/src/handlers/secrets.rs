//! Secrets: set, listed, removed. There is no way to read a value back.

use crate::app::Shared;
use crate::refusal::Answer;
use crate::request::{Caller, Names, Value};
use axum::Json;
use axum::extract::State;
use kiln_names::{AppName, EnvName, SecretName};
use kiln_protocol::secret::{Secret, SecretRemoved, SecretSet};
use kiln_protocol::{Timestamp, paths};
use kiln_secrets::SecretRow;

/// Lists the secrets that the next release has; never their values.
#[utoipa::path(get, path = paths::SECRETS, tag = "secrets",
    responses((status = 200, body = [Secret])))]
pub(crate) async fn list(
    State(kiln): Shared,
    Names((app, env)): Names<(AppName, EnvName)>,
) -> Answer<Vec<Secret>> {
    let rows = kiln.secrets.list(&app, &env).await?;
    Ok(Json(rows.into_iter().map(shown).collect()))
}

/// Gives a secret a value, which the next release has.
#[utoipa::path(put, path = paths::SECRET, tag = "secrets",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = SecretSet)))]
pub(crate) async fn set(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env, name)): Names<(AppName, EnvName, SecretName)>,
    Value(value): Value,
) -> Answer<SecretSet> {
    let set = kiln.secrets.set((&app, &env), &name, &value, &by).await?;
    Ok(Json(SecretSet { app, env, name, version: set.version, unchanged: set.unchanged }))
}

/// Removes a secret from all releases to come; groups that have it keep it until they are gone.
#[utoipa::path(delete, path = paths::SECRET, tag = "secrets",
    responses((status = 200, body = SecretRemoved)))]
pub(crate) async fn remove(
    State(kiln): Shared,
    Caller(by): Caller,
    Names((app, env, name)): Names<(AppName, EnvName, SecretName)>,
) -> Answer<SecretRemoved> {
    let removed = kiln.secrets.remove(&app, &env, &name, &by).await?;
    let (version, holders) = (removed.version, removed.holders);
    Ok(Json(SecretRemoved { app, env, name, version, holders }))
}

fn shown(row: SecretRow) -> Secret {
    let SecretRow { name, version, set_ms, set_by } = row;
    Secret { name, version, since: Timestamp(set_ms), by: set_by }
}
