//! Processes where they do not belong: in an instance's control group but not of its pid namespace,
//! or of its namespace but outside its group.

use super::Gap;
use crate::cgroups::Cgroups;
use kiln_names::InstanceId;
use std::collections::BTreeSet;
use std::path::PathBuf;

pub(super) fn of(cgroups: &Cgroups, instance: &InstanceId, main: i32) -> Vec<Gap> {
    let Some(namespace) = namespace_of(main) else { return Vec::new() };
    let inside: BTreeSet<i32> = cgroups.members(instance);
    let of_namespace: BTreeSet<i32> =
        all().filter(|pid| namespace_of(*pid).as_ref() == Some(&namespace)).collect();
    // A process that ended between the two looks has no namespace any more.
    let strangers =
        inside.iter().filter(|pid| namespace_of(**pid).is_some_and(|it| it != namespace));
    let escaped = of_namespace.iter().filter(|pid| !cgroups.members(instance).contains(pid));
    let gap = |pid: &i32, found: &str| {
        let found = format!("process {pid}, {}, {found}", name(*pid));
        Gap::new("its processes", "its own alone", found).mended_by(format!("kill {pid}"))
    };
    let strangers = strangers.map(|pid| gap(pid, "was put into its control group"));
    let escaped = escaped
        .filter(|pid| namespace_of(**pid).is_some())
        .map(|pid| gap(pid, "runs in its namespace, outside its control group"));
    strangers.chain(escaped).collect()
}

fn all() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn namespace_of(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn name(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}
