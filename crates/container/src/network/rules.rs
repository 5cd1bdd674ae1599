//! What may pass between bridges and out of the machine, as nftables rules.

use super::Subnet;
use super::names::{BRIDGES, bridge, bridges};
use kiln_names::InstallId;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Where clouds answer questions about the machine, credentials included. Not for instances.
const METADATA: &str = "169.254.169.254";

/// The whole table, replacing an older one in one step.
///
/// A drop in any table is final, so isolation holds whatever else is configured. An accept is not:
/// see [`accept_before_docker`].
pub(super) fn table(install: InstallId, network: Subnet) -> String {
    let all = bridges(install);
    let within: Vec<String> = (0..BRIDGES)
        .map(|index| bridge(install, index))
        .map(|it| format!("{it:?} . {it:?}"))
        .collect();
    format!(
        "table inet kiln-{install}\n\
         delete table inet kiln-{install}\n\
         table inet kiln-{install} {{\n\
           chain forward {{\n\
             type filter hook forward priority filter; policy accept;\n\
             iifname \"{all}*\" ip daddr {METADATA} drop\n\
             iifname . oifname {{ {} }} accept\n\
             iifname \"{all}*\" oifname \"{all}*\" drop\n\
           }}\n\
           chain postrouting {{\n\
             type nat hook postrouting priority srcnat; policy accept;\n\
             ip saddr {network} oifname != \"{all}*\" masquerade\n\
           }}\n\
         }}\n",
        within.join(", ")
    )
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
