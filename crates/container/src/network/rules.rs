//! What may pass between bridges and out of the machine, as nftables rules.

use super::Subnet;
use super::names::{bridge, bridges, bridges_in};
use kiln_names::InstallId;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Where clouds answer questions about the machine, credentials included. Not for instances, but that
/// some of them answer questions about names there too.
const LINK_LOCAL: &str = "169.254.0.0/16";
/// The set of the ports of this machine that instances reach.
const DOORS: &str = "doors";

/// The whole table, replacing the rules of an older one in one step.
///
/// A drop in any table is final, so isolation holds whatever else is configured. An accept is not:
/// see [`accept_before_docker`].
pub(super) fn table(install: InstallId, network: Subnet) -> String {
    let all = bridges(install);
    let (head, input, forward) = (head(install), input(&all), forward(install, network, &all));
    format!(
        "{head}\
         flush table inet kiln-{install}\n\
         table inet kiln-{install} {{\n\
           chain input {{\n{input}}}\n\
           chain forward {{\n{forward}}}\n\
           chain postrouting {{\n\
             type nat hook postrouting priority srcnat; policy accept;\n\
             ip saddr {network} oifname != \"{all}*\" masquerade\n\
           }}\n\
         }}\n"
    )
}

/// What instances may ask of the machine itself, whatever address of its they ask: the router, so that
/// environments talk through it; a name, since the machine may be the server that its own
/// `resolv.conf` names; and whether it is there. Connections are reset: the other way to refuse is
/// rationed by the kernel.
fn input(all: &str) -> String {
    format!(
        "type filter hook input priority filter; policy accept;\n\
         iifname != \"{all}*\" accept\n\
         ct state established,related accept\n\
         tcp dport @{DOORS} accept\n\
         meta l4proto {{ tcp, udp }} th dport 53 accept\n\
         icmp type echo-request accept\n\
         meta l4proto tcp reject with tcp reset\n\
         reject\n"
    )
}

/// What instances may ask of others: anything of their own environment and of the world beyond.
fn forward(install: InstallId, network: Subnet, all: &str) -> String {
    let within: Vec<String> = (0..=u8::MAX)
        .take(bridges_in(network).into())
        .map(|index| bridge(install, index))
        .map(|it| format!("{it:?} . {it:?}"))
        .collect();
    format!(
        "type filter hook forward priority filter; policy accept;\n\
         iifname \"{all}*\" ip daddr {LINK_LOCAL} udp dport 53 accept\n\
         iifname \"{all}*\" ip daddr {LINK_LOCAL} drop\n\
         iifname . oifname {{ {} }} accept\n\
         iifname \"{all}*\" oifname \"{all}*\" drop\n",
        within.join(", ")
    )
}

/// The table and the set, made if they are not there: whoever comes first, server or router, finds
/// what the other one left.
fn head(install: InstallId) -> String {
    format!("table inet kiln-{install} {{ set {DOORS} {{ type inet_service; }}; }}\n")
}

/// The only port that is open from now on.
pub(super) fn door(install: InstallId, port: u16) -> String {
    let (head, set) = (head(install), format!("inet kiln-{install} {DOORS}"));
    format!("{head}flush set {set}\nadd element {set} {{ {port} }}\n")
}

pub(super) fn remove(install: InstallId) -> io::Result<()> {
    // Making it first makes deleting it idempotent.
    nft(&format!("table inet kiln-{install}\ndelete table inet kiln-{install}\n"))?;
    for rule in forward_rules(install) {
        while iptables("-C", &rule)? {
            iptables("-D", &rule)?;
        }
    }
    Ok(())
}

pub(super) fn nft(rules: &str) -> io::Result<()> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run nft: {error}")))?;
    nft.stdin.take().expect("it was asked for").write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft refused: {}", said.trim())))
}

/// Docker sets the policy of the `FORWARD` chain of `iptables` to drop, now or whenever it starts:
/// our own bridges are accepted in that very chain. Without an `iptables` there is no Docker.
pub(super) fn accept_before_docker(install: InstallId) -> io::Result<()> {
    for rule in forward_rules(install) {
        if !iptables("-C", &rule)? {
            iptables("-I", &rule)?;
        }
    }
    Ok(())
}

/// Everything out, and what was asked for back in.
fn forward_rules(install: InstallId) -> [Vec<String>; 2] {
    let any = format!("{}+", bridges(install));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    [
        words(&format!("-i {any} -j ACCEPT")),
        words(&format!("-o {any} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")),
    ]
}

/// Whether it succeeded; no, too, where there is no `iptables`.
fn iptables(verb: &str, rule: &[String]) -> io::Result<bool> {
    let ran = Command::new("iptables")
        .args(["-w", verb, "FORWARD"])
        .args(rule)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match ran {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => Ok(other?.success()),
    }
}
