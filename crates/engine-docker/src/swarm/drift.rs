//! What differs between services and what Kiln started. The comparison is pure.

use super::{image, inspect, services};
use crate::drift::{Gap, gap, of_birth, stray};
use crate::inner::Inner;
use crate::render::Made;
use crate::render::service::is_stopped;
use bollard::models::{Service, ServiceSpec};
use kiln_engine::{Drift, EngineError};
use kiln_keeper::Look;
use kiln_names::InstanceId;
use std::collections::HashSet;

/// What differs.
pub(crate) async fn drift(inner: &Inner, look: &Look) -> Result<Vec<Drift>, EngineError> {
    let services = services(inner).await?;
    let mut all = strays(inner, look, &services);
    for birth in &look.running {
        let Some(spec) = inspect(inner, birth.id).await?.and_then(|service| service.spec) else {
            all.push(of_birth(birth, gap("its service", "it runs", "none")));
            continue;
        };
        let of = &birth.spec;
        let Some(image) = image::known(inner, &of.app, of.image).await? else {
            all.push(of_birth(birth, gap("its image on the engine", of.image.short(), "none")));
            continue;
        };
        let Ok(config) = inner.image_config(of.image).await else { continue };
        let Ok(made) = Made::of(&inner.owner, birth, &config, &image) else { continue };
        all.extend(compare(made, &spec).into_iter().map(|gap| of_birth(birth, gap)));
    }
    all.sort();
    Ok(all)
}

fn strays(inner: &Inner, look: &Look, services: &[Service]) -> Vec<Drift> {
    let rows: HashSet<InstanceId> = look.rows.iter().map(|row| row.id).collect();
    let known = |id: &InstanceId| rows.contains(id) || look.leaving.contains(id);
    super::instances(inner, services)
        .filter(|id| !known(id))
        .map(|id| stray("service", &inner.owner, id))
        .collect()
}

/// What of a service is not as it was asked for.
fn compare(made: Made, spec: &ServiceSpec) -> Vec<Gap> {
    let task = spec.task_template.clone().unwrap_or_default();
    let placement = task.placement.and_then(|placement| placement.constraints).unwrap_or_default();
    let container = task.container_spec.unwrap_or_default();
    let limits = task.resources.and_then(|resources| resources.limits).unwrap_or_default();
    let replicas = spec.mode.as_ref().and_then(|mode| mode.replicated.as_ref()?.replicas);
    let words = |words: Option<Vec<String>>| words.unwrap_or_default().join(" ");
    // Their values may be long, and are nobody's business who looks at a difference.
    let (as_released, changed) = ("as released".to_owned(), "changed".to_owned());
    let env = if container.env.as_ref() == Some(&made.env) { &as_released } else { &changed };
    let number = |n: Option<i64>| n.unwrap_or_default().to_string();
    let stopped = is_stopped(spec.task_template.as_ref());
    let pairs = [
        ("its replicas", "1".to_owned(), number(replicas)),
        ("it is stopped", false.to_string(), stopped.to_string()),
        ("its image", made.image.clone(), container.image.unwrap_or_default()),
        ("its command", made.command.join(" "), words(container.command)),
        ("its arguments", String::new(), words(container.args)),
        ("its variables", as_released.clone(), env.clone()),
        ("its limit of memory", made.memory.to_string(), number(limits.memory_bytes)),
        ("its share of processors", made.nano_cpus.to_string(), number(limits.nano_cpus)),
        ("its limit of processes", made.pids.to_string(), number(limits.pids)),
        ("its placement", made.placement.constraints.join(", "), placement.join(", ")),
        ("its user", format!("{}:{}", made.uid, made.gid), container.user.unwrap_or_default()),
    ];
    let differs = pairs.into_iter().filter(|(_, expected, found)| expected != found);
    differs.map(|(what, expected, found)| gap(what, expected, found)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::service;
    use crate::render::tests::{birth, owner};
    use kiln_image::ImageConfig;

    #[test]
    fn a_service_is_as_it_was_asked_for_until_somebody_changes_it() {
        let birth = birth();
        let made = Made::of(&owner(), &birth, &ImageConfig::default(), "sha256:abc").unwrap();
        let mut spec = service::render(made.clone(), "net", &[]);
        assert_eq!(compare(made.clone(), &spec), []);
        let mode = spec.mode.as_mut().unwrap().replicated.as_mut().unwrap();
        mode.replicas = Some(3);
        let container = spec.task_template.as_mut().unwrap().container_spec.as_mut().unwrap();
        container.image = Some("sha256:def".to_owned());
        container.env.as_mut().unwrap().push("LD_PRELOAD=/tmp/x".to_owned());
        let gaps = [
            gap("its replicas", 1, 3),
            gap("its image", "sha256:abc", "sha256:def"),
            gap("its variables", "as released", "changed"),
        ];
        assert_eq!(compare(made, &spec), gaps);
    }
}
