//! Bridges, links and rules as they are, beside what Kiln would make.

use super::Gap;
use crate::network::{Network, link_name, rules_of};
use crate::spec::{InstanceSpec, NetworkMode};
use kiln_names::{InstallId, InstanceId};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What puts the rules and bridges right: they are made at every start of the server.
const AGAIN: &str = "end kiln up with Ctrl-C, and start it again: services go on meanwhile";
const UP: u32 = 1;

/// An isolated instance's end on the host: there, up, and on its bridge.
pub(super) fn of_instance(spec: &InstanceSpec) -> Vec<Gap> {
    let NetworkMode::Isolated(at) = &spec.network else { return Vec::new() };
    let name = link_name(spec.install, spec.instance);
    let mut gaps: Vec<Gap> = up("its network link", &name).into_iter().collect();
    let bridge = std::fs::read_link(interface(&name).join("master")).ok();
    let bridge = bridge.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    if interface(&name).exists() && bridge.as_deref() != Some(&*at.bridge) {
        let mend = format!("ip link set {name} master {}", at.bridge);
        let found = bridge.unwrap_or_else(|| "none".to_owned());
        gaps.push(Gap::new("the bridge of its link", &*at.bridge, found).mended_by(mend));
    }
    gaps
}

/// The bridges that should be there: up, each with its address; and those that should not.
#[must_use]
pub fn interfaces(network: &Network, wanted: &[u8], known: &[u8]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for bridge in wanted.iter().filter_map(|index| network.bridge(*index)) {
        gaps.extend(up("a bridge", &bridge.name).map(
            |gap| match interface(&bridge.name).exists() {
                true => gap,
                false => gap.mended_by(AGAIN),
            },
        ));
    }
    let known: Vec<_> = known.iter().filter_map(|index| network.bridge(*index)).collect();
    for name in network.bridges_there().into_iter() {
        if known.iter().all(|bridge| bridge.name != name) {
            let mend = format!("ip link delete {name}");
            gaps.push(Gap::new("bridges", "one for each environment", name).mended_by(mend));
        }
    }
    gaps
}

/// The links of an install that belong to none of the instances.
#[must_use]
pub fn links(install: InstallId, known: &[InstanceId]) -> Vec<Gap> {
    let prefix = crate::network::link_prefix(install);
    let known: Vec<String> = known.iter().map(|id| link_name(install, *id)).collect();
    let strays = names().filter(|name| name.starts_with(&prefix) && !known.contains(name));
    let stray = |name: String| {
        let mend = format!("ip link delete {name}");
        Gap::new("network links", "one for each instance", name).mended_by(mend)
    };
    strays.map(stray).collect()
}

/// The rules in force that differ from those that Kiln would write, line by line.
///
/// # Errors
/// When `nft` or `unshare` cannot be run.
pub fn firewall(network: &Network, install: InstallId, door: u16) -> io::Result<Vec<Gap>> {
    let table = format!("kiln-{install}");
    let listed = Command::new("nft").args(["list", "table", "inet", &table]).output()?;
    let found = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(compare(&normal(&rules_of(install, network.subnet(), door), &table)?, &found))
}

/// The rules as the kernel would tell them back: written and listed in a network namespace that
/// nobody else sees and that goes with the program.
fn normal(rules: &str, table: &str) -> io::Result<String> {
    let mut shell = Command::new("unshare")
        .args(["--net", "sh", "-c", "nft -f - && nft list table inet \"$0\"", table])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    shell.stdin.take().expect("it was asked for").write_all(rules.as_bytes())?;
    let output = shell.wait_with_output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

fn compare(expected: &str, found: &str) -> Vec<Gap> {
    if expected == found {
        return Vec::new();
    }
    let (wanted, there) = (placed(expected), placed(found));
    let gap = |(place, line): &(String, String), missing: bool| match missing {
        true => Gap::new(format!("firewall rules, {place}"), line, "missing").mended_by(AGAIN),
        false => {
            Gap::new(format!("firewall rules, {place}"), "no such rule", line).mended_by(AGAIN)
        }
    };
    let missing = beyond(&wanted, &there).into_iter().map(|line| gap(line, true));
    let added = beyond(&there, &wanted).into_iter().map(|line| gap(line, false));
    let gaps: Vec<Gap> = missing.chain(added).collect();
    if gaps.is_empty() {
        let order = Gap::new("firewall rules", "in the order Kiln writes", "in another order");
        return vec![order.mended_by(AGAIN)];
    }
    gaps
}

/// Each line with the chain or set that it stands in.
fn placed(listing: &str) -> Vec<(String, String)> {
    let mut place = String::new();
    let mut lines = Vec::new();
    for line in listing.lines().map(str::trim) {
        match line.strip_suffix(" {") {
            Some(head) => head.clone_into(&mut place),
            None if line.is_empty() || line == "}" => {}
            None => lines.push((place.clone(), line.to_owned())),
        }
    }
    lines
}

/// The lines of `one` that `other` lacks, as often as it lacks them.
fn beyond<'a>(
    one: &'a [(String, String)],
    other: &[(String, String)],
) -> Vec<&'a (String, String)> {
    let mut left: Vec<_> = other.iter().collect();
    let lacks = |line: &&(String, String)| match left.iter().position(|it| it == line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    };
    one.iter().filter(lacks).collect()
}

fn up(what: &str, name: &str) -> Option<Gap> {
    let Ok(flags) = std::fs::read_to_string(interface(name).join("flags")) else {
        return Some(Gap::new(what, format!("{name} is up"), "not there"));
    };
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
    let down = || Gap::new(what, format!("{name} is up"), "down");
    (flags & UP == 0).then(|| down().mended_by(format!("ip link set {name} up")))
}

fn interface(name: &str) -> PathBuf {
    Path::new("/sys/class/net").join(name)
}

/// The interfaces of this machine.
pub(crate) fn names() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "table inet x {\n\tchain input {\n\t\ta accept\n\t\tb drop\n\t}\n}\n";

    fn check(found: &str, expected: &[(&str, &str)]) {
        let gaps = compare(RULES, found);
        let told: Vec<_> = gaps.iter().map(|gap| (&*gap.expected, &*gap.found)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn rules_that_went_came_or_moved_are_named() {
        check(RULES, &[]);
        check(&RULES.replace("\t\tb drop\n", ""), &[("b drop", "missing")]);
        check(&RULES.replace("b drop\n", "b drop\n\t\tc\n"), &[("no such rule", "c")]);
        let moved = "table inet x {\n\tchain input {\n\t\tb drop\n\t\ta accept\n\t}\n}\n";
        check(moved, &[("in the order Kiln writes", "in another order")]);
    }
}
