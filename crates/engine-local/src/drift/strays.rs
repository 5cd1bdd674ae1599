//! What no row of the database answers for.

use super::{Rows, gap, of_machine};
use crate::inner::Inner;
use kiln_container::inspect::{self, Gap};
use kiln_engine::Drift;
use kiln_names::InstanceId;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn find(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let machine = &inner.machine;
    let mut known: BTreeSet<InstanceId> = rows.kept.rows.iter().map(|row| row.id).collect();
    // Recorded as ended, and still being cleaned up.
    known.extend(rows.kept.leaving.iter().copied());
    known.extend(inner.runs.ids());
    let mut gaps = Vec::new();
    for id in machine.with_files().into_iter().filter(|id| !known.contains(id)) {
        let dir = machine.instance_dir(id).display().to_string();
        gaps.push(stray("directories of instances", &dir, format!("rm -r {dir}")));
    }
    let mut bakes = Vec::new();
    for id in machine.cgroups.list().into_iter().filter(|id| !known.contains(id)) {
        let members = machine.cgroups.members(&id);
        if members.iter().any(|pid| is_of_bake(*pid, &machine.instances)) {
            bakes.push(id);
            continue;
        }
        let pids: Vec<String> = members.iter().map(ToString::to_string).collect();
        let mend = match pids.is_empty() {
            true => {
                "end kiln up with Ctrl-C, and start it again: it removes what is left".to_owned()
            }
            false => format!("kill {}", pids.join(" ")),
        };
        let found = format!("i-{id} with {} processes", pids.len());
        gaps.push(stray("control groups", &found, mend));
    }
    gaps.extend(among_shims(inner));
    let with_links: Vec<InstanceId> = known.into_iter().chain(bakes).collect();
    gaps.extend(inspect::links(machine.install, &with_links));
    gaps.into_iter().map(|gap| of_machine("this machine", gap)).collect()
}

fn stray(what: &str, found: &str, mend: String) -> Gap {
    Gap { mend: Some(mend), ..gap(what, "one for each instance", found) }
}

/// Whether a process, or who started it, is the shim of a step of a bake: its directory is elsewhere.
fn is_of_bake(pid: i32, instances: &Path) -> bool {
    let shim = |pid: i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        let is_shim = words.next() == Some(b"shim");
        let dir = words.next().map(String::from_utf8_lossy).unwrap_or_default();
        is_shim && !Path::new(&*dir).starts_with(instances)
    };
    shim(pid) || parent(pid).is_some_and(shim)
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Processes in the shims' control group that are no shims.
fn among_shims(inner: &Inner) -> Vec<Gap> {
    let is_shim = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // One that ended meanwhile has no words any more.
        line.is_empty() || line.split(|byte| *byte == 0).nth(1) == Some(b"shim")
    };
    let strays = inner.machine.cgroups.shims().into_iter().filter(|pid| !is_shim(pid));
    let told = |pid: i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let found = format!("process {pid}, {}", name.trim());
        Gap {
            mend: Some(format!("kill {pid}")),
            ..gap("processes among the shims", "shims alone", found)
        }
    };
    strays.map(told).collect()
}
