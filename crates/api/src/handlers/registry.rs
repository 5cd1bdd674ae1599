//! Kiln as a registry to pull from, by the distribution API of OCI: an application is a repository,
//! its versions are tags; a base is `base/NAME`, tagged `latest`.

mod content;
mod denial;
mod page;
mod repository;

pub(crate) use denial::{Denial, is_registry};

use crate::app::Shared;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use denial::Reason;
use kiln_protocol::paths;
use page::Page;
use repository::Repository;
use serde_json::json;

/// What every answer says it is.
const VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);

/// Says that Kiln is a registry.
#[utoipa::path(get, path = paths::REGISTRY, tag = "registry", responses((status = 200)))]
pub(crate) async fn registry() -> Response {
    answer(Json(json!({})))
}

/// Lists the repositories by name.
#[utoipa::path(get, path = paths::REGISTRY_CATALOG, tag = "registry",
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn catalog(
    State(app): Shared,
    RawQuery(query): RawQuery,
) -> Result<Response, Denial> {
    let page = Page::parse(query.as_deref())?;
    let (names, next) = page.of(repository::names(&app).await?);
    Ok(answer((page.link(paths::REGISTRY_CATALOG, next), Json(json!({"repositories": names})))))
}

/// Lists the versions of an application, by their text.
#[utoipa::path(get, path = paths::REGISTRY_TAGS, tag = "registry",
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn tags(
    app: Shared,
    Path(name): Path<String>,
    query: RawQuery,
) -> Result<Response, Denial> {
    list_tags(app, Repository::of_app(&name)?, query).await
}

/// Gives the manifest of a version, or of a digest.
#[utoipa::path(get, path = paths::REGISTRY_MANIFEST, tag = "registry",
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn manifests(
    State(app): Shared,
    Path((name, reference)): Path<(String, String)>,
) -> Result<Response, Denial> {
    content::manifest(&app, &Repository::of_app(&name)?, &reference).await
}

/// Gives a configuration or a layer of an application's image, or a part of it.
#[utoipa::path(get, path = paths::REGISTRY_BLOB, tag = "registry",
    responses((status = 200, body = Vec<u8>)))]
pub(crate) async fn blobs(
    State(app): Shared,
    Path((name, digest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Denial> {
    content::blob(&app, &Repository::of_app(&name)?, &digest, &headers).await
}

/// Lists what a base is called: `latest`.
#[utoipa::path(get, path = paths::REGISTRY_BASE_TAGS, tag = "registry",
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn base_tags(
    app: Shared,
    Path(name): Path<String>,
    query: RawQuery,
) -> Result<Response, Denial> {
    list_tags(app, Repository::of_base(&name)?, query).await
}

/// Gives the manifest of a base.
#[utoipa::path(get, path = paths::REGISTRY_BASE_MANIFEST, tag = "registry",
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn base_manifests(
    State(app): Shared,
    Path((name, reference)): Path<(String, String)>,
) -> Result<Response, Denial> {
    content::manifest(&app, &Repository::of_base(&name)?, &reference).await
}

/// Gives a configuration or a layer of a base, or a part of it.
#[utoipa::path(get, path = paths::REGISTRY_BASE_BLOB, tag = "registry",
    responses((status = 200, body = Vec<u8>)))]
pub(crate) async fn base_blobs(
    State(app): Shared,
    Path((name, digest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Denial> {
    content::blob(&app, &Repository::of_base(&name)?, &digest, &headers).await
}

async fn list_tags(
    State(app): Shared,
    repository: Repository,
    RawQuery(query): RawQuery,
) -> Result<Response, Denial> {
    let page = Page::parse(query.as_deref())?;
    let tagged = repository.images(&app).await?;
    let mut tags: Vec<String> = tagged.into_iter().filter_map(|image| image.tag).collect();
    tags.sort();
    let (tags, next) = page.of(tags);
    let path = format!("/v2/{repository}/tags/list");
    let body = json!({"name": repository.to_string(), "tags": tags});
    Ok(answer((page.link(&path, next), Json(body))))
}

/// An answer that says what it is an answer of.
fn answer(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(VERSION.0, VERSION.1);
    response
}

/// The header that names content.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The head of an answer that is content of that digest.
fn named(digest: &kiln_names::Digest, media_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = |text: &str| HeaderValue::try_from(text).ok();
    for (name, value) in [
        (CONTENT_DIGEST, value(&digest.to_string())),
        (header::ETAG, value(&format!("\"{digest}\""))),
        (header::CONTENT_TYPE, value(media_type)),
    ] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers
}

/// Says no to what is no pull: there is nothing to push to.
pub(crate) fn not_a_pull(detail: String) -> Denial {
    Denial::new(Reason::Unsupported, detail)
}

/// Says no to a path that no registry has.
pub(crate) fn no_such_path(detail: String) -> Denial {
    Denial::new(Reason::NameUnknown, detail)
}

/// Says that the token is needed, and that it may be a password.
pub(crate) fn unauthorized(detail: &str) -> Denial {
    Denial::new(Reason::Unauthorized, detail)
}
