//! The walls around a running process, as `/proc/PID/status` tells them.
//!
//! Unlike before its start, a service may have given rights away by now, or changed its user where it
//! has the capability to: only more than was granted is a gap.

use super::Gap;
use crate::shim::granted;
use crate::spec::InstanceSpec;

/// How many system call filters an instance has beyond those of the machine.
const FILTERS: u32 = 2;

/// Compares with what the shim itself inherited.
pub(super) fn of(status: &str, shim: i32, spec: &InstanceSpec) -> Vec<Gap> {
    let of_shim = std::fs::read_to_string(format!("/proc/{shim}/status")).unwrap_or_default();
    let inherited = field(&of_shim, "Seccomp_filters").and_then(|text| text.parse().ok());
    compare(status, inherited.unwrap_or(0) + FILTERS, spec)
}

fn compare(status: &str, filters: u32, spec: &InstanceSpec) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (name, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
        let found = field(status, name).unwrap_or("untold");
        if found != expected {
            gaps.push(Gap::new(name, expected, found));
        }
    }
    let found: u32 = field(status, "Seccomp_filters").and_then(|it| it.parse().ok()).unwrap_or(0);
    if found < filters {
        gaps.push(Gap::new("Seccomp_filters", format!("at least {filters}"), found.to_string()));
    }
    gaps.extend(user(status, "Uid", spec.user.uid, may(spec, "SETUID")));
    gaps.extend(user(status, "Gid", spec.user.gid, may(spec, "SETGID")));
    let granted = granted(spec).bits();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let held = field(status, set).and_then(|text| u64::from_str_radix(text, 16).ok());
        let held = held.unwrap_or(u64::MAX);
        if held & !granted != 0 {
            gaps.push(Gap::new(set, format!("within {granted:016x}"), format!("{held:016x}")));
        }
    }
    gaps
}

fn may(spec: &InstanceSpec, capability: &str) -> bool {
    spec.capabilities.iter().any(|granted| granted == capability)
}

fn user(status: &str, name: &str, id: u32, may_change: bool) -> Option<Gap> {
    let found = field(status, name).unwrap_or_default();
    let same = found.split_ascii_whitespace().all(|part| part.parse() == Ok(id));
    (!same && !may_change).then(|| Gap::new(name, id.to_string(), found.replace('\t', " ")))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "Uid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\n\
        CapBnd:\t0\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

    fn gaps(status: &str, capabilities: &[&str]) -> Vec<String> {
        let spec: InstanceSpec = serde_json::from_value(serde_json::json!({"v": 1,
            "install": "00ab1f", "instance": "0123456789ab", "root": {"lower": ["/x"]},
            "command": ["x"], "user": {"uid": 7, "gid": 8}, "hostname": "h", "network": "host",
            "limits": {}, "capabilities": capabilities}))
        .unwrap();
        let gaps = compare(status, 2, &spec);
        gaps.into_iter().map(|gap| format!("{}: {}", gap.what, gap.found)).collect()
    }

    #[test]
    fn a_process_that_gave_rights_away_is_sound() {
        assert!(gaps(SOUND, &[]).is_empty());
        assert!(gaps(SOUND, &["CHOWN"]).is_empty());
        let changed = SOUND.replace("Uid:\t7\t7", "Uid:\t99\t99");
        assert!(gaps(&changed, &["SETUID"]).is_empty());
    }

    #[test]
    fn each_hole_in_the_walls_is_a_gap() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(gaps(&SOUND.replace(from, to), &[]), [expected]);
        };
        check("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs: 0");
        check("Seccomp:\t2", "Seccomp:\t0", "Seccomp: 0");
        check("filters:\t3", "filters:\t1", "Seccomp_filters: 1");
        check("Uid:\t7\t7\t7", "Uid:\t7\t0\t7", "Uid: 7 0 7 7");
        check("CapEff:\t0", "CapEff:\t21", "CapEff: 0000000000000021");
    }
}
