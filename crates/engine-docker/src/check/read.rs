//! What answers of an engine mean for Kiln. Pure.

use super::{bad, good, note};
use crate::settings::Mode;
use crate::swarm::nodes::is_ready;
use crate::trouble::Trouble;
use bollard::models::{LocalNodeState, Node, SystemInfo, SystemVersion};
use kiln_names::ByteSize;
use kiln_protocol::catalog::Finding;

/// The API from which on services are kept from gaining privileges.
const NO_NEW_PRIVILEGES: (u32, u32) = (1, 46);

/// What OCI calls an architecture that a kernel or Docker calls so.
pub(crate) fn oci_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" | "armv8l" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
}

/// Why it does not answer, or says no.
pub(super) fn trouble(trouble: &Trouble) -> Finding {
    let words = trouble.words();
    let has = |text: &str| words.to_lowercase().contains(text);
    let mend = match trouble {
        Trouble::Down(_) if has("no such socket") => "start Docker, or set host to its socket",
        Trouble::Down(_) if has("refused") => "start Docker, or let it listen there",
        Trouble::Down(_) if has("permission") => "let Kiln's user use the socket",
        Trouble::Down(_) if has("its certificate has expired") => {
            "renew the engine's certificate, which its tlscert is"
        }
        Trouble::Down(_) if has("certificate") || has("tls") => {
            "set tlsCa, tlsCert and tlsKey to the files that belong to this engine"
        }
        Trouble::Down(_) => "see that the host is right and can be reached",
        Trouble::Refused(_) if has("https") => "set tlsCa, tlsCert and tlsKey: it speaks TLS",
        Trouble::Refused(_) if has("api") || has("version") => "use Docker 20.10 or newer",
        _ => "see what the engine says in its own log",
    };
    bad("engine", words, mend)
}

pub(super) fn version(version: &SystemVersion, mode: Mode) -> Vec<Finding> {
    let api = version.api_version.clone().unwrap_or_default();
    let docker = version.version.clone().unwrap_or_default();
    let arch = version.arch.clone().unwrap_or_default();
    let mut all = vec![
        good("engine", format!("Docker {docker}, API {api}")),
        good("architecture", oci_architecture(&arch)),
    ];
    if mode == Mode::Swarm && number(&api).is_none_or(|api| api < NO_NEW_PRIVILEGES) {
        all.push(note(
            "privileges",
            format!("services of API {api} may gain privileges by set-user-id programs"),
            "use Docker 27 or newer, or set no-new-privileges in daemon.json of every node",
        ));
    }
    all
}

fn number(api: &str) -> Option<(u32, u32)> {
    let (major, minor) = api.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

pub(super) fn info(info: &SystemInfo) -> Vec<Finding> {
    let count = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let (cpus, memory) = (count(info.ncpu), ByteSize(count(info.mem_total)));
    let mut all = vec![good("size", format!("{cpus} processors, {memory} of memory"))];
    let limits = [
        ("memory", info.memory_limit),
        ("processors", info.cpu_cfs_quota),
        ("processes", info.pids_limit),
    ];
    for (what, _) in limits.into_iter().filter(|(_, there)| *there == Some(false)) {
        let mend = "see that the kernel's control groups are all there: docker info";
        all.push(bad("limits", format!("the engine cannot limit {what}"), mend));
    }
    let init = info.init_commit.as_ref().and_then(|commit| commit.id.as_deref());
    if init == Some("N/A") {
        let mend = "install docker-init beside dockerd; Debian has it in the package tini";
        all.push(bad(
            "init",
            "the engine has no docker-init, which every instance starts with",
            mend,
        ));
    }
    let options = info.security_options.iter().flatten();
    if options.clone().any(|option| option.contains("name=userns")) {
        all.push(note(
            "users",
            "users of instances are others outside: no instance can be on the machine's own network",
            "use \"network\": \"isolated\", or an engine without userns-remap",
        ));
    }
    if options.clone().any(|option| option.contains("name=rootless")) {
        all.push(note(
            "users",
            "the engine is not root: instances may not be reached at addresses of their own",
            "use an engine that is root",
        ));
    }
    all
}

/// An engine that is used alone.
pub(super) fn alone(info: &SystemInfo) -> Option<Finding> {
    let nodes = info.swarm.as_ref().and_then(|swarm| swarm.nodes).filter(|nodes| *nodes > 1)?;
    let found = format!("it manages a Swarm of {nodes} nodes, and only this one is used");
    Some(note("swarm", found, "set swarm to true to use all of them"))
}

/// An engine that is to be a manager.
pub(super) fn membership(info: &SystemInfo) -> Finding {
    let swarm = info.swarm.clone().unwrap_or_default();
    let active = swarm.local_node_state == Some(LocalNodeState::ACTIVE);
    match (active, swarm.control_available.unwrap_or_default()) {
        (true, true) => good("swarm", "this engine manages a Swarm"),
        (true, false) => bad(
            "swarm",
            "this engine works for a Swarm and does not manage it",
            "set host to a manager: docker node ls",
        ),
        (false, _) => {
            bad("swarm", "this engine is in no Swarm", "docker swarm init, or set swarm to false")
        }
    }
}

pub(super) fn nodes(nodes: &[Node], has_registry: bool) -> Vec<Finding> {
    let ready = nodes.iter().filter(|node| is_ready(node)).count();
    let told = format!("{ready} of {} nodes take tasks", nodes.len());
    let mut all = vec![match ready {
        0 => bad("nodes", told, "docker node ls; docker node update --availability active"),
        _ if ready < nodes.len() => note("nodes", told, "docker node ls"),
        _ => good("nodes", told),
    }];
    if nodes.len() > 1 && !has_registry {
        all.push(bad(
            "images",
            format!("{} nodes have no way to have images", nodes.len()),
            "set registry to HOST:PORT where the nodes reach this Kiln",
        ));
    }
    let architecture = |node: &Node| {
        let platform = node.description.as_ref()?.platform.as_ref()?;
        Some(oci_architecture(platform.architecture.as_ref()?).to_owned())
    };
    let mut kinds: Vec<String> = nodes.iter().filter_map(architecture).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.len() > 1 {
        let found = format!("the nodes are {}; an image runs on one of them", kinds.join(" and "));
        all.push(note("architecture", found, "use nodes of one architecture"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use serde_json::{Value, json};

    fn verdicts(findings: &[Finding]) -> Vec<(&str, Verdict)> {
        findings.iter().map(|finding| (finding.what.as_str(), finding.verdict)).collect()
    }

    fn told(words: &str) -> String {
        trouble(&Trouble::Down(words.to_owned())).mend.unwrap()
    }

    #[test]
    fn an_engine_that_does_not_answer_says_what_to_do() {
        assert_eq!(told("x: there is no such socket"), "start Docker, or set host to its socket");
        assert_eq!(told("x: connection refused"), "start Docker, or let it listen there");
        let expired = "x: its certificate has expired (invalid peer certificate: Expired)";
        assert!(told(expired).starts_with("renew the engine's certificate"));
        assert!(told("x: its certificate is not signed by tlsCa").starts_with("set tlsCa"));
    }

    #[test]
    fn membership_of_a_swarm_is_told_apart() {
        let of = |swarm: Value| {
            membership(&serde_json::from_value(json!({"Swarm": swarm})).unwrap()).verdict
        };
        assert_eq!(of(json!({"LocalNodeState": "inactive"})), Verdict::Bad);
        assert_eq!(of(json!({"LocalNodeState": "active"})), Verdict::Bad);
        let manager = json!({"LocalNodeState": "active", "ControlAvailable": true});
        assert_eq!(of(manager), Verdict::Good);
    }

    #[test]
    fn several_nodes_need_a_registry_and_one_that_takes_tasks() {
        let node = |state: &str, architecture: &str| {
            json!({"Status": {"State": state}, "Spec": {"Availability": "active"},
                "Description": {"Platform": {"Architecture": architecture}}})
        };
        let check = |list: Value, registry, expected: &[(&str, Verdict)]| {
            let list: Vec<Node> = serde_json::from_value(list).unwrap();
            assert_eq!(verdicts(&nodes(&list, registry)), expected);
        };
        check(json!([node("ready", "x86_64")]), false, &[("nodes", Verdict::Good)]);
        check(json!([node("down", "x86_64")]), false, &[("nodes", Verdict::Bad)]);
        let two = json!([node("ready", "x86_64"), node("ready", "aarch64")]);
        let mixed = ("architecture", Verdict::Note);
        check(two.clone(), true, &[("nodes", Verdict::Good), mixed]);
        check(two, false, &[("nodes", Verdict::Good), ("images", Verdict::Bad), mixed]);
    }

    #[test]
    fn limits_that_an_engine_lacks_are_bad() {
        let lacking = json!({"NCPU": 2, "MemTotal": 1 << 30, "PidsLimit": false});
        let found = info(&serde_json::from_value(lacking).unwrap());
        assert_eq!(verdicts(&found), [("size", Verdict::Good), ("limits", Verdict::Bad)]);
    }
}
