//! Which version of each secret a release has.

use crate::kit::Kit;
use crate::{Problem, Release, Target};
use kiln_names::SecretVersions;
use kiln_protocol::configuration::{HookWork, Hooks};
use kiln_store::secrets;

/// The newest versions; of a release that was deployed before its own, which must still be kept.
pub(super) async fn pin(
    kit: &Kit,
    Target { app, env }: &Target,
    known: Option<&Release>,
) -> Result<SecretVersions, Problem> {
    let mut db = kit.db.read().await?;
    let Some(release) = known else { return Ok(secrets::newest(&mut db, app, env).await?) };
    let missing = secrets::missing(&mut db, app, env, &release.secrets).await?;
    if missing.is_empty() {
        return Ok(release.secrets.clone());
    }
    let (id, gone, image) = (release.id().short(), listed(&missing), release.image.short());
    Err(Problem::invalid(format!(
        "release {id} has secrets that are not kept any more: {gone}; its image with the secrets of \
         today is kiln deploy {app} {env} {image} --config {} -m MSG",
        release.config.short()
    )))
}

/// Refuses a hook that needs a secret which the release does not have.
pub(super) fn check_hooks(
    Target { app, env }: &Target,
    hooks: &Hooks,
    pinned: &SecretVersions,
) -> Result<(), Problem> {
    for (point, hook) in hooks {
        let HookWork::Http(call) = &hook.work else { continue };
        if let Some(name) = call.secret.as_ref().filter(|name| !pinned.contains_key(name)) {
            return Err(Problem::invalid(format!(
                "hook {point} sends the secret {name}, which {app} in {env} does not have: \
                 kiln secret set {app} {env} {name} sets it"
            )));
        }
    }
    Ok(())
}

/// `tls.key@3, token@1`.
pub(super) fn listed(versions: &SecretVersions) -> String {
    let each = versions.iter().map(|(name, version)| format!("{name}@{version}"));
    let all: Vec<String> = each.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
