//! The seeds of the fuzz targets, and what fuzzing has found, run through the properties.

use kiln_properties::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn every_seed_of_every_target_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, property) in TARGETS {
        let mut count = 0;
        for seed in fs::read_dir(seeds.join(name)).unwrap() {
            let path = seed.unwrap().path();
            let input = fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| property(&input));
            assert!(held.is_ok(), "{} does not hold", path.display());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_has_its_program() {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
    for (name, _) in TARGETS {
        let program = fs::read_to_string(programs.join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("kiln_properties::{name}(")), "{name}");
    }
    assert_eq!(fs::read_dir(programs).unwrap().count(), TARGETS.len());
}
