//! The few files that an instance finds in `/etc` whatever its image holds.

use crate::spec::{InstanceSpec, NetworkMode};
use std::path::Path;

/// Asked when the host itself names no server that an instance could reach.
const FALLBACK: &str = "nameserver 1.1.1.1\nnameserver 9.9.9.9\n";
/// Where a host's resolver keeps the servers it asks when `/etc/resolv.conf` names only itself.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// The name servers. With the host's network these are the host's; elsewhere a server on the host's
/// loopback would be the instance's own loopback.
pub(super) fn resolv_conf(network: &NetworkMode) -> String {
    let read = |path| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let host = read("/etc/resolv.conf");
    if *network == NetworkMode::Host { host } else { reachable(&host, || read(UPSTREAM)) }
}

fn reachable(host: &str, upstream: impl FnOnce() -> String) -> String {
    let usable = |text: &str| {
        let lines = text.lines().filter(|line| !is_loopback(line));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        text.contains("nameserver").then_some(text)
    };
    usable(host).or_else(|| usable(&upstream())).unwrap_or_else(|| FALLBACK.to_owned())
}

fn is_loopback(line: &str) -> bool {
    let server = line.trim().strip_prefix("nameserver").map(str::trim);
    server.is_some_and(|server| server.starts_with("127.") || server == "::1")
}

pub(super) fn hosts(spec: &InstanceSpec) -> String {
    let own = match &spec.network {
        NetworkMode::Isolated(at) => at.address.to_string(),
        NetworkMode::Host | NetworkMode::Loopback => "127.0.1.1".to_owned(),
    };
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{own} {}\n", spec.hostname)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, upstream: &str, expected: &str) {
        assert_eq!(reachable(host, || upstream.to_owned()), expected);
    }

    #[test]
    fn only_servers_that_an_instance_can_reach_are_passed_on() {
        check("nameserver 10.0.0.2\nsearch a\n", "", "nameserver 10.0.0.2\nsearch a\n");
        check("nameserver 127.0.0.1\nnameserver 10.0.0.2\n", "", "nameserver 10.0.0.2\n");
        check("nameserver 127.0.0.53\n", "nameserver 10.0.0.3\n", "nameserver 10.0.0.3\n");
        check("nameserver ::1\n", "", FALLBACK);
        check("", "", FALLBACK);
    }
}
