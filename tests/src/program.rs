//! The programs that are run: those built beside this one.

use std::path::{Path, PathBuf};

/// The `kiln` program.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn kiln() -> PathBuf {
    beside("kiln", "cargo build -p kiln")
}

/// The small service that tests deploy.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn service() -> PathBuf {
    beside("service", "cargo build -p kiln-tests")
}

fn beside(name: &str, build: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    // Tests lie one directory deeper than programs.
    let dirs = this.ancestors().skip(1).take(2);
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no {name} beside {}: {build}", this.display()))
}

/// The root of the repository.
///
/// # Panics
/// Never: this crate lies in the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository")
}
