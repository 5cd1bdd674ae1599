//! `external`: addresses outside Kiln that take a part of a process's requests.

use super::params::{CheckChoices, Way};
use super::{CheckKind, HealthCheck};
use crate::document::{Mistake, Reader};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

const EXTERNAL: &[&str] = &["addresses", "weight", "healthCheck"];
/// The most addresses: what a service has that is moved by hand.
const MAX_ADDRESSES: usize = 64;

/// A group that Kiln does not run: a service on its way in or out. The router checks it and gives it
/// its part of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Where it is reached.
    pub addresses: Vec<SocketAddr>,
    /// Its part of the process's requests, in percent: 0 to 100.
    pub weight: u32,
    /// How it is checked; over TCP where nothing is said.
    pub health_check: HealthCheck,
}

pub(super) fn external(reader: &Reader<'_>) -> Result<External, Mistake> {
    let fields = reader.fields(EXTERNAL)?;
    let list = fields.require("addresses")?;
    let mut seen = std::collections::HashSet::new();
    let addresses = list.each("addresses", MAX_ADDRESSES, |item| {
        let address = address(item)?;
        match seen.insert(address) {
            true => Ok(address),
            false => Err(item.refuse(format!("{address} stands twice"))),
        }
    })?;
    if addresses.is_empty() {
        return Err(list.refuse(r#"at least one address is wanted: ["192.0.2.1:8080"]"#));
    }
    let weight = fields.require("weight")?.whole(0..=100)?;
    let check = fields.read("healthCheck", super::read::health_check)?.unwrap_or_default();
    if matches!(check.way, Some(Way::Inside(_))) {
        return Err(reader.refuse("nobody looks at it from inside: check it over http or tcp"));
    }
    let way = check.way.clone().or(Some(Way::Outside(CheckKind::Tcp)));
    let check = CheckChoices { way, ..check };
    Ok(External { addresses, weight, health_check: super::resolve::health_check(&check) })
}

fn address(item: &Reader<'_>) -> Result<SocketAddr, Mistake> {
    let text = item.text()?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        return Err(item.refuse("an IP address and a port are wanted: \"192.0.2.1:8080\""));
    };
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_multicast() || address.port() == 0 {
        return Err(item.refuse(format!("{address} is no place that one service listens at")));
    }
    Ok(address)
}

impl std::fmt::Display for External {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string);
        write!(f, "{}% to {}", self.weight, addresses.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn read(text: &str) -> Result<External, String> {
        let text = format!(r#"{{"processes": {{"web": {{"external": {text}}}}}}}"#);
        let params = DeploymentParams::parse(&text).map_err(|mistake| mistake.to_string())?;
        let (app, env) = ("hello".parse().unwrap(), "prod".parse().unwrap());
        Ok(params.resolve(&app, &env, &"web".parse().unwrap(), true).external.unwrap())
    }

    #[test]
    fn an_external_group_is_checked_over_tcp_unless_it_says_how() {
        let plain =
            read(r#"{"addresses": ["192.0.2.1:80", "[2001:db8::1]:80"], "weight": 90}"#).unwrap();
        assert_eq!((plain.weight, plain.health_check.kind), (90, CheckKind::Tcp));
        assert_eq!(plain.to_string(), "90% to 192.0.2.1:80, [2001:db8::1]:80");
        let checked = r#"{"addresses": ["192.0.2.1:80"], "weight": 0,
            "healthCheck": {"path": "/live"}}"#;
        let checked = read(checked).unwrap();
        assert_eq!(checked.health_check.kind, CheckKind::Http);
        assert_eq!(checked.health_check.path.to_string(), "/live");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (r#"{"weight": 1}"#, "addresses"),
            (r#"{"addresses": ["192.0.2.1:80"]}"#, "weight"),
            (r#"{"addresses": [], "weight": 1}"#, "at least one address"),
            (r#"{"addresses": ["old.example:80"], "weight": 1}"#, "an IP address and a port"),
            (r#"{"addresses": ["192.0.2.1"], "weight": 1}"#, "an IP address and a port"),
            (r#"{"addresses": ["0.0.0.0:80"], "weight": 1}"#, "no place"),
            (r#"{"addresses": ["192.0.2.1:0"], "weight": 1}"#, "no place"),
            (r#"{"addresses": ["192.0.2.1:1", "192.0.2.1:1"], "weight": 1}"#, "stands twice"),
            (r#"{"addresses": ["192.0.2.1:80"], "weight": 101}"#, "from 0 to 100"),
            (r#"{"addresses": ["192.0.2.1:80"], "weight": 1, "wieght": 1}"#, "wieght"),
            (
                r#"{"addresses": ["192.0.2.1:80"], "weight": 1,
                    "healthCheck": {"type": "command", "command": ["/c"]}}"#,
                "nobody looks at it from inside",
            ),
        ] {
            let mistake = read(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
        let top = DeploymentParams::parse(r#"{"external": {}}"#).unwrap_err().to_string();
        assert!(top.contains("it belongs to one process"), "{top}");
    }
}
