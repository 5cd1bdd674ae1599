//! A crate depends only on rows above its own in the table of the design.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The rows, bottom up; within a row nobody depends on anybody.
const ROWS: &[&[&str]] = &[
    &["kiln-names"],
    &["kiln-protocol"],
    &["kiln-client"],
    &["kiln-store"],
    &["kiln-image"],
    &["kiln-init"],
    &["kiln-container"],
    &["kiln-router"],
    &["kiln-catalog", "kiln-config", "kiln-bakery", "kiln-secrets"],
    &["kiln-backup"],
    &["kiln-engine"],
    &["kiln-keeper"],
    &["kiln-engine-docker", "kiln-engine-local"],
    &["kiln-deploy"],
    &["kiln-api"],
    &["kiln-cli"],
    &["kiln"],
    &["kiln-load"],
    &["kiln-properties"],
    &["kiln-tests"],
    &["kiln-bench"],
];

/// What the command line may know of ours.
const CLI_MAY: [&str; 3] = ["kiln-client", "kiln-protocol", "kiln-names"];

/// The crates of the workspace, each with those of the others that it is built with.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let built_with = |dependency: &&Value| dependency["kind"] != "dev";
    let ours = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter().filter(built_with);
        let names = all.map(|dependency| text(&dependency["name"]));
        (text(&package["name"]), names.filter(|name| row(name).is_some()).collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(ours).collect()
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

#[test]
fn a_crate_depends_only_on_rows_above_its_own() {
    for (name, others) in dependencies() {
        let own = row(&name).unwrap_or_else(|| panic!("{name} has no row"));
        for other in others {
            assert!(row(&other) < Some(own), "{name} may not depend on {other}");
        }
    }
}

#[test]
fn the_command_line_knows_the_api_and_nothing_behind_it() {
    let all = dependencies();
    for other in &all["kiln-cli"] {
        assert!(CLI_MAY.contains(&other.as_str()), "kiln-cli may not depend on {other}");
    }
}

#[test]
fn nothing_that_is_shipped_depends_on_what_measures_and_tests_it() {
    let measures = ["kiln-tests", "kiln-bench"];
    for (name, others) in
        dependencies().into_iter().filter(|(name, _)| !measures.contains(&&**name))
    {
        for other in ["kiln-load", "kiln-tests"] {
            assert!(!others.contains(other), "{name} may not depend on {other}");
        }
    }
}
