//! The paths of the API, as axum and OpenAPI write them.

/// That Kiln works.
pub const HEALTH: &str = "/v1/health";
/// All that must last, in one archive; `?images=false`.
pub const BACKUP: &str = "/v1/backup";
/// The OpenAPI document.
pub const OPENAPI: &str = "/v1/openapi.json";
/// Applications.
pub const APPS: &str = "/v1/apps";
/// One application.
pub const APP: &str = "/v1/apps/{app}";
/// One property of an application's metadata, by its dotted path.
pub const APP_METADATA: &str = "/v1/apps/{app}/metadata/{key}";
/// Environments.
pub const ENVS: &str = "/v1/envs";
/// One environment.
pub const ENV: &str = "/v1/envs/{env}";
/// What the engine of an environment needs, and how it is.
pub const ENV_CHECK: &str = "/v1/envs/{env}/check";
/// One property of an environment's metadata, by its dotted path.
pub const ENV_METADATA: &str = "/v1/envs/{env}/metadata/{key}";
/// Bases.
pub const BASES: &str = "/v1/bases";
/// One base.
pub const BASE: &str = "/v1/bases/{base}";
/// Bakes.
pub const BAKES: &str = "/v1/bakes";
/// Content that a bake needs, by digest.
pub const BLOB: &str = "/v1/blobs/{digest}";
/// Images.
pub const IMAGES: &str = "/v1/images";
/// One image, as a digest, a prefix of one, or `APP:VERSION`.
pub const IMAGE: &str = "/v1/images/{image}";
/// One image as an archive for other tools; `?format=both|oci|docker`.
pub const IMAGE_ARCHIVE: &str = "/v1/images/{image}/archive";
/// Collecting what nothing refers to.
pub const COLLECT: &str = "/v1/collect-images";
/// Running an image here and now.
pub const RUNS: &str = "/v1/runs";
/// Stopping a run; asked a second time, killing it.
pub const RUN_STOP: &str = "/v1/runs/{run}/stop";
/// The configuration of an application in an environment; `?at=COMMIT`.
pub const CONFIG: &str = "/v1/apps/{app}/envs/{env}/config";
/// Its commits.
pub const CONFIG_LOG: &str = "/v1/apps/{app}/envs/{env}/config/log";
/// How two of them differ; `?from=COMMIT&to=COMMIT`.
pub const CONFIG_DIFF: &str = "/v1/apps/{app}/envs/{env}/config/diff";
/// Every application and environment with configuration.
pub const CONFIGURED: &str = "/v1/config";
/// One of its files; `?at=COMMIT`.
pub const CONFIG_FILE: &str = "/v1/apps/{app}/envs/{env}/config/files/{file}";
/// The secrets of an application in an environment.
pub const SECRETS: &str = "/v1/apps/{app}/envs/{env}/secrets";
/// One of them.
pub const SECRET: &str = "/v1/apps/{app}/envs/{env}/secrets/{secret}";
/// What a deployment would do.
pub const PLAN: &str = "/v1/apps/{app}/envs/{env}/plan";
/// Deployments of an application in an environment.
pub const DEPLOY: &str = "/v1/apps/{app}/envs/{env}/deployments";
/// What going back to an earlier release would do.
pub const ROLLBACK_PLAN: &str = "/v1/apps/{app}/envs/{env}/rollback/plan";
/// How two images differ.
pub const IMAGE_DIFF: &str = "/v1/images/{image}/diff/{other}";
/// Back to an earlier release.
pub const ROLLBACK: &str = "/v1/apps/{app}/envs/{env}/rollback";
/// The active image with the newest configuration.
pub const REDEPLOY: &str = "/v1/apps/{app}/envs/{env}/redeploy";
/// Take back what the current deployment did.
pub const UNDO: &str = "/v1/apps/{app}/envs/{env}/undo";
/// Stop the current deployment and touch nothing more.
pub const ABORT: &str = "/v1/apps/{app}/envs/{env}/abort";
/// Go on from the action that failed.
pub const RETRY: &str = "/v1/apps/{app}/envs/{env}/retry";
/// Stop after the action in flight, until somebody resumes.
pub const PAUSE: &str = "/v1/apps/{app}/envs/{env}/pause";
/// Go on after a pause.
pub const RESUME: &str = "/v1/apps/{app}/envs/{env}/resume";
/// The one lock over everything.
pub const LOCK: &str = "/v1/lock";
/// This machine's router, and those on others that have joined.
pub const ROUTERS: &str = "/v1/routers";
/// One that has joined.
pub const ROUTER: &str = "/v1/routers/{router}";
/// The table that one is to carry; `?epoch=N&version=N&wait_ms=N`.
pub const ROUTER_TABLE: &str = "/v1/routers/{router}/table";
/// What one says of itself.
pub const ROUTER_STATUS: &str = "/v1/routers/{router}/status";
/// Remove all groups and free the routes.
pub const STOP: &str = "/v1/apps/{app}/envs/{env}/stop";
/// Change how many instances there are.
pub const RESIZE: &str = "/v1/apps/{app}/envs/{env}/resize";
/// The instances of an application in an environment; `?ended=true` adds those that ended.
pub const INSTANCES: &str = "/v1/apps/{app}/envs/{env}/instances";
/// What instances of an application in an environment have kept.
pub const VOLUMES: &str = "/v1/apps/{app}/envs/{env}/volumes";
/// One of it.
pub const VOLUME: &str = "/v1/apps/{app}/envs/{env}/volumes/{process}/{name}/{slot}";
/// Replace one instance by an identical one.
pub const REPLACE: &str = "/v1/instances/{instance}/replace";
/// Log lines; `?follow=true&group=G&instance=I&tail=N`.
pub const LOGS: &str = "/v1/apps/{app}/envs/{env}/logs";
/// What runs; `?app=A&env=E`.
pub const STATUS: &str = "/v1/status";
/// What there is to promise, what is promised and used, and what still fits.
pub const CAPACITY: &str = "/v1/capacity";
/// What is not as it should be; `?app=A&env=E&deep=true`.
pub const DRIFT: &str = "/v1/drift";
/// Deployments, the newest first; `?app=A&env=E&limit=N`.
pub const DEPLOYMENTS: &str = "/v1/deployments";
/// One deployment.
pub const DEPLOYMENT: &str = "/v1/deployments/{deployment}";
/// How it goes; `?after=SEQ`.
pub const DEPLOYMENT_EVENTS: &str = "/v1/deployments/{deployment}/events";

/// A configuration's repository, as git clones it: `APP-ENV.git`.
pub const GIT: &str = "/git/{repository}";
/// What git asks first: the branch, and what the server can do; `?service=git-upload-pack`.
pub const GIT_REFERENCES: &str = "/git/{repository}/info/refs";
/// Clone and fetch.
pub const GIT_FETCH: &str = "/git/{repository}/git-upload-pack";
/// Push.
pub const GIT_PUSH: &str = "/git/{repository}/git-receive-pack";

/// That Kiln is a registry, as OCI's distribution API begins.
pub const REGISTRY: &str = "/v2/";
/// Its repositories: applications, and bases under `base/`; `?n=N&last=NAME`.
pub const REGISTRY_CATALOG: &str = "/v2/_catalog";
/// The versions of an application; `?n=N&last=TAG`.
pub const REGISTRY_TAGS: &str = "/v2/{app}/tags/list";
/// The manifest of a version or digest.
pub const REGISTRY_MANIFEST: &str = "/v2/{app}/manifests/{reference}";
/// A configuration or a layer of an application's image.
pub const REGISTRY_BLOB: &str = "/v2/{app}/blobs/{digest}";
/// What a base is called: `latest`.
pub const REGISTRY_BASE_TAGS: &str = "/v2/base/{base}/tags/list";
/// The manifest of a base.
pub const REGISTRY_BASE_MANIFEST: &str = "/v2/base/{base}/manifests/{reference}";
/// A configuration or a layer of a base.
pub const REGISTRY_BASE_BLOB: &str = "/v2/base/{base}/blobs/{digest}";

/// A path with its `{names}` replaced, in their order, each value escaped.
///
/// # Panics
/// When there are more or fewer values than names: that is a mistake in the caller.
#[must_use]
pub fn fill(path: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(path.len() + 16 * values.len());
    let mut values = values.iter();
    for segment in path.split('/').skip(1) {
        filled.push('/');
        if segment.starts_with('{') {
            escape_into(&mut filled, values.next().expect("a value for each name"));
        } else {
            filled.push_str(segment);
        }
    }
    assert!(values.next().is_none(), "more values than names in {path}");
    filled
}

/// A query from the pairs that have a value, escaped; empty when none has.
#[must_use]
pub fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        escape_into(&mut text, value);
    }
    text
}

/// Escapes what may not stand in a path segment or a query value. (RFC 3986 §2.3; `:` is allowed
/// in segments and keeps `APP:VERSION` legible.)
fn escape_into(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_are_replaced_in_their_order_and_escaped() {
        assert_eq!(fill(APP_METADATA, &["hello", "a/b c"]), "/v1/apps/hello/metadata/a%2Fb%20c");
        assert_eq!(fill(IMAGE, &["hello:3.14"]), "/v1/images/hello:3.14");
    }

    #[test]
    fn a_query_has_only_the_pairs_with_a_value() {
        let pairs =
            [("app", Some("a&b".to_owned())), ("env", None), ("limit", Some("5".to_owned()))];
        assert_eq!(query(&pairs), "?app=a%26b&limit=5");
        assert_eq!(query(&[("app", None)]), "");
    }
}
