//! What takes long to make and is the same for everybody: made once, kept between runs.

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where root keeps it; others keep it beside what cargo builds.
const SHARED: &str = "/var/cache/kiln-tests";

/// The file of that name, made by `make` if it is not there. Whoever comes meanwhile waits.
///
/// # Errors
/// When it cannot be made.
pub fn file(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let directory = directory()?;
    let path = directory.join(name);
    if path.exists() {
        return Ok(path);
    }
    let _lock = lock(name)?;
    if !path.exists() {
        let new = directory.join(format!("{name}.new"));
        make(&new).with_context(|| format!("make {}", path.display()))?;
        std::fs::rename(&new, &path)?;
    }
    Ok(path)
}

/// Waits for the lock of that name, and holds it until what is returned is dropped.
///
/// # Errors
/// When there can be no such file.
pub fn lock(name: &str) -> Result<File> {
    let path = directory()?.join(format!("{name}.lock"));
    let lock = File::create(path).context("open a lock")?;
    flock(&lock, FlockOperation::LockExclusive).context("wait for a lock")?;
    Ok(lock)
}

fn directory() -> Result<PathBuf> {
    let own = crate::program::repository().join("target/cache");
    let candidates = [PathBuf::from(SHARED), own];
    let made = candidates.into_iter().find(|path| std::fs::create_dir_all(path).is_ok());
    made.context("no directory can be made for the cache")
}
