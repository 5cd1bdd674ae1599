//! The root file system that is mounted, as `/proc/PID/mountinfo` tells it.

use super::Gap;
use crate::shim::lower_option;
use crate::spec::InstanceSpec;

/// Compares the topmost mount on `/` with the layers of the spec: an overlay, in their order,
/// read-only.
pub(super) fn compare(mountinfo: &str, spec: &InstanceSpec) -> Vec<Gap> {
    let Some((options, kind, lower)) = root_of(mountinfo) else {
        return vec![Gap::new("its root", "an overlay of its layers", "not mounted")];
    };
    let mut gaps = Vec::new();
    let expected = lower_option(&spec.root.lower);
    if kind != "overlay" {
        gaps.push(Gap::new("its root", "an overlay of its layers", kind));
    } else if lower != expected {
        gaps.push(Gap::new("the layers of its root", expected, lower));
    }
    if spec.root.writable.is_none() && !options.split(',').any(|option| option == "ro") {
        gaps.push(Gap::new("its root", "mounted read-only", "mounted for writing"));
    }
    gaps
}

/// Options of the mount, kind of file system, lower directories: `29 28 0:25 / / ro - overlay x OPTS`.
fn root_of(mountinfo: &str) -> Option<(&str, &str, &str)> {
    let on_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    let (place, kind) = mountinfo.lines().rfind(on_root)?.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let name = kind.next()?;
    let lower = kind.nth(1)?.split(',').find_map(|option| option.strip_prefix("lowerdir="));
    Some((place.split(' ').nth(5)?, name, lower.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn check(line: &str, expected: &[&str]) {
        let spec: InstanceSpec = serde_json::from_value(serde_json::json!({"v": 1,
            "install": "00ab1f", "instance": "0123456789ab", "root": {"lower": ["/a", "/b"]},
            "command": ["x"], "user": {"uid": 7, "gid": 8}, "hostname": "h", "network": "host",
            "limits": {}}))
        .unwrap();
        let lower = lower_option(&["/a", "/b"].map(PathBuf::from));
        let other = lower_option(&["/b", "/a"].map(PathBuf::from));
        let line = line.replace("LOWER", &lower).replace("OTHER", &other);
        let mountinfo = format!("1 0 0:1 / /proc rw - proc proc rw\n{line}\n");
        let found: Vec<_> = compare(&mountinfo, &spec).into_iter().map(|gap| gap.what).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn the_layers_their_order_and_the_flag_are_compared() {
        check("29 28 0:25 / / ro,nodev - overlay overlay ro,lowerdir=LOWER,metacopy=off", &[]);
        check("29 28 0:25 / / rw,nodev - overlay overlay ro,lowerdir=LOWER", &["its root"]);
        check("29 28 0:25 / / ro - overlay overlay ro,lowerdir=OTHER", &["the layers of its root"]);
        check("29 28 0:25 / / ro - tmpfs tmpfs rw", &["its root"]);
        check("29 28 0:25 / /x ro - overlay overlay ro,lowerdir=LOWER", &["its root"]);
    }
}
