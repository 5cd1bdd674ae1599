//! Builds `kiln-init` as a small static program, so that the library can carry it.
//!
//! Nested cargo with a target directory of its own: the outer build holds the lock of its own one.
//! Nothing is fetched: this crate depends on `kiln-init`'s library, so all it needs is there.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let init = Path::new(env!("CARGO_MANIFEST_DIR")).join("../init");
    for watched in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", init.join(watched).display());
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    build(&init, &out.join("init"), &target);
    let built = out.join("init").join(&target).join("release/kiln-init");
    std::fs::copy(&built, out.join("kiln-init")).expect("the program that was just built");
}

fn build(init: &Path, target_dir: &Path, target: &str) {
    let status = Command::new(variable("CARGO"))
        .args(["build", "--release", "--offline", "--bin", "kiln-init", "--target", target])
        .arg("--manifest-path")
        .arg(init.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        // Clippy's wrapper would check the program instead of building it.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .expect("cargo runs: it runs this script");
    assert!(status.success(), "kiln-init did not build");
}

#[expect(clippy::disallowed_methods, reason = "a build script is told everything by variables")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
