//! Each running instance beside its group's spec.

use super::{Rows, gap, isolated, of_group};
use crate::frozen;
use crate::inner::Inner;
use kiln_container::inspect::{self, Gap};
use kiln_container::{InstanceSpec, NetworkMode};
use kiln_engine::Drift;
use kiln_keeper::Birth;
use kiln_store::local::InstanceRow;
use serde_json::Value;
use std::path::Path;

/// Parts of a spec that may hold what nobody but the instance should see: told without values.
const PRIVATE: [&str; 2] = ["env", "init"];

pub(super) fn compare(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    rows.kept.rows.iter().flat_map(|row| of_row(inner, rows, row)).collect()
}

fn of_row(inner: &Inner, rows: &Rows, row: &InstanceRow) -> Vec<Drift> {
    let birth = rows.kept.running.iter().find(|birth| birth.id == row.id);
    let Some(birth) = birth else { return Vec::new() };
    let dir = inner.machine.instance_dir(row.id);
    let gaps = match expected(inner, rows, row, birth) {
        Ok(spec) => {
            let mut gaps =
                inspect::instance(&dir, &spec, &inner.machine.cgroups, &inner.machine.boot);
            gaps.extend(frozen_spec(&dir, &spec));
            gaps
        }
        // Its image is told as such.
        Err(_) => Vec::new(),
    };
    let subject = format!("instance {} of {}", row.id, birth.spec.name);
    let mend = format!("kiln replace {}", row.id);
    let drift = |gap| of_group(&birth.spec, subject.clone(), gap, mend.clone());
    gaps.into_iter().map(drift).collect()
}

/// The spec as it would be frozen now.
fn expected(
    inner: &Inner,
    rows: &Rows,
    row: &InstanceRow,
    birth: &Birth,
) -> Result<InstanceSpec, kiln_image::Error> {
    let image = inner.images.image(&birth.spec.image)?;
    let lower = inner.images.lower_paths(&image);
    let place = rows.places.get(row.env.as_str()).filter(|_| isolated(row));
    let network = match place {
        Some(place) => inner
            .machine
            .addresses
            .attachment_at(*place, birth.address)
            .map_or(NetworkMode::Loopback, NetworkMode::Isolated),
        None => NetworkMode::Host,
    };
    Ok(frozen::expected(inner, birth, &image, lower, network))
}

/// The file that the shim read.
fn frozen_spec(dir: &Path, spec: &InstanceSpec) -> Vec<Gap> {
    let expected = serde_json::to_value(spec).expect("a spec is plain data");
    let file = std::fs::read(dir.join(InstanceSpec::FILE));
    let found: Option<Value> = file.ok().and_then(|text| serde_json::from_slice(&text).ok());
    match found {
        Some(found) => differences(&expected, &found),
        None => vec![gap("its frozen spec", "a file that can be read", "none")],
    }
}

/// By key; values only where they are nobody's secret.
fn differences(expected: &Value, found: &Value) -> Vec<Gap> {
    let (Some(expected), Some(found)) = (expected.as_object(), found.as_object()) else {
        return vec![gap("its frozen spec", "an object", "something else")];
    };
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differs = |key: &&&String| expected.get(**key) != found.get(**key);
    let told = |key: &String| {
        if PRIVATE.contains(&key.as_str()) {
            return gap(&format!("its frozen spec, {key}"), "as it was frozen", "edited");
        }
        let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        let (expected, found) = (shown(expected.get(key)), shown(found.get(key)));
        gap(&format!("its frozen spec, {key}"), expected, found)
    };
    keys.iter().filter(differs).map(|key| told(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_that_was_edited_is_told_by_key_and_private_values_are_not_shown() {
        let spec = json!({"limits": {"pids": 64}, "env": {"TOKEN": "secret"}, "cwd": "/"});
        let check = |found: Value, expected: &[(&str, &str, &str)]| {
            let gaps = differences(&spec, &found);
            let told: Vec<_> =
                gaps.iter().map(|gap| (&*gap.what, &*gap.expected, &*gap.found)).collect();
            assert_eq!(told, expected);
        };
        check(spec.clone(), &[]);
        let limits = json!({"limits": {"pids": 65}, "env": {"TOKEN": "secret"}, "cwd": "/"});
        let pids = ("its frozen spec, limits", r#"{"pids":64}"#, r#"{"pids":65}"#);
        check(limits, &[pids]);
        let env = json!({"limits": {"pids": 64}, "env": {"TOKEN": "other"}, "cwd": "/"});
        check(env, &[("its frozen spec, env", "as it was frozen", "edited")]);
    }
}
