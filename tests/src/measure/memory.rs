//! The memory that Kiln's own processes hold: their proportional set size.

use crate::{Kiln, Part};
use std::fs;
use std::path::Path;

/// A process's share of memory, in bytes, what it shares with others counted in part.
#[must_use]
pub fn held(pid: i32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Of a part.
#[must_use]
pub fn of_part(kiln: &Kiln, part: Part) -> Option<u64> {
    held(kiln.pid(part)?)
}

/// Of the largest shim.
#[must_use]
pub fn of_shim(data: &Path) -> Option<u64> {
    let shim = format!("\0shim\0{}/", data.display());
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_shim = |pid: &i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&shim)
    };
    pids.filter(is_shim).filter_map(held).max()
}
