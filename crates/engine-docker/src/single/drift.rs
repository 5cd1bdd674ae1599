//! What differs between containers and what Kiln started. The comparison is pure.

use super::{inspect, list};
use crate::drift::{gap, of_birth, stray};
use crate::images;
use crate::inner::Inner;
use crate::render::Made;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use kiln_engine::{Drift, EngineError};
use kiln_keeper::Look;
use kiln_names::InstanceId;
use kiln_protocol::configuration::Network;
use std::collections::HashSet;

/// What differs.
pub(crate) async fn drift(inner: &Inner, look: &Look) -> Result<Vec<Drift>, EngineError> {
    let listed = list(inner).await?;
    let mut all = strays(inner, look, &listed);
    for birth in &look.running {
        let Some(found) = inspect(inner, birth.id).await? else {
            all.push(of_birth(birth, gap("its container", "it runs", "none")));
            continue;
        };
        let Some(image) = images::find(inner, birth.spec.image).await? else {
            let image = birth.spec.image.short();
            all.push(of_birth(birth, gap("its image on the engine", image, "none")));
            continue;
        };
        let Ok(config) = inner.image_config(birth.spec.image).await else { continue };
        let Ok(made) = Made::of(&inner.owner, birth, &config, &image) else { continue };
        let gaps = compare(&made, &inner.owner.network(), &found);
        all.extend(gaps.into_iter().map(|gap| of_birth(birth, gap)));
    }
    all.sort();
    Ok(all)
}

fn strays(inner: &Inner, look: &Look, listed: &[ContainerSummary]) -> Vec<Drift> {
    let rows: HashSet<InstanceId> = look.rows.iter().map(|row| row.id).collect();
    let known = |id: &InstanceId| rows.contains(id) || look.leaving.contains(id);
    let ids = listed.iter().filter_map(|found| inner.owner.instance(found.labels.as_ref()));
    let strays = ids.filter(|id| !known(id));
    strays.map(|id| stray("container", &inner.owner, id)).collect()
}

/// What of a container is not as it was asked for.
fn compare(
    made: &Made,
    network: &str,
    found: &ContainerInspectResponse,
) -> Vec<(String, String, String)> {
    let host = found.host_config.clone().unwrap_or_default();
    let config = found.config.clone().unwrap_or_default();
    let state = found.state.as_ref().and_then(|state| state.status);
    let network = if made.network == Network::Host { "host" } else { network };
    let number = |n: Option<i64>| n.unwrap_or_default().to_string();
    let text = |text: Option<String>| text.unwrap_or_default();
    let yes = |it: Option<bool>| it.unwrap_or_default().to_string();
    let pairs = [
        ("its state", "running".to_owned(), state.map_or(String::new(), |s| s.to_string())),
        ("its image", made.image.clone(), text(found.image.clone())),
        ("its limit of memory", made.memory.to_string(), number(host.memory)),
        ("its share of processors", made.nano_cpus.to_string(), number(host.nano_cpus)),
        ("its limit of processes", made.pids.to_string(), number(host.pids_limit)),
        ("its network", network.to_owned(), text(host.network_mode)),
        ("its user", format!("{}:{}", made.uid, made.gid), text(config.user)),
        ("its root is read-only", true.to_string(), yes(host.readonly_rootfs)),
        ("it is privileged", false.to_string(), yes(host.privileged)),
        ("its restarts", "0".to_owned(), number(found.restart_count)),
    ];
    let differs = pairs.into_iter().filter(|(_, expected, found)| expected != found);
    differs.map(|(what, expected, found)| gap(what, expected, found)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{birth, owner};
    use kiln_image::ImageConfig;
    use serde_json::json;

    #[test]
    fn what_somebody_changed_is_told() {
        let made = Made::of(&owner(), &birth(), &ImageConfig::default(), "sha256:abc").unwrap();
        let mib = 64 << 20;
        let mut found = json!({"Image": "sha256:abc", "RestartCount": 0,
            "State": {"Status": "running"}, "Config": {"User": "7:8"},
            "HostConfig": {"Memory": mib, "NanoCpus": 250_000_000, "PidsLimit": 32,
                "NetworkMode": "net", "ReadonlyRootfs": true, "Privileged": false}});
        let gaps = |found: &serde_json::Value| {
            compare(&made, "net", &serde_json::from_value(found.clone()).unwrap())
        };
        assert_eq!(gaps(&found), []);
        found["HostConfig"]["Memory"] = json!(1 << 30);
        let expected = gap("its limit of memory", mib, 1 << 30);
        assert_eq!(gaps(&found), [expected]);
        assert!(gaps(&json!({})).len() > 5);
    }
}
