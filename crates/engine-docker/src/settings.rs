//! What an environment's engine is set to, read from the words of `kiln env create`.

use kiln_names::{EnvName, InstallId};
use kiln_protocol::suggest::nearest;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The keys that there are.
const KEYS: [&str; 8] =
    ["host", "tlsCa", "tlsCert", "tlsKey", "swarm", "registry", "ports", "address"];
/// Ports for what is published; below the kernel's own range for outgoing connections.
const PORTS: RangeInclusive<u16> = 20_000..=29_999;

/// What a runtime needs of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose instances these are.
    pub install: InstallId,
    /// The environment that this engine carries.
    pub env: EnvName,
    /// Where the engine is, and how it is used.
    pub engine: EngineSettings,
    /// The images.
    pub images: kiln_image::Store,
    /// The values of secrets.
    pub secrets: kiln_secrets::Vault,
    /// A directory in memory, for the values that containers of this machine are handed.
    pub memory: PathBuf,
    /// What opens Kiln's registry, and nothing else, to the nodes of a Swarm.
    pub registry_token: Option<String>,
}

/// Where a Docker Engine is, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Where it listens.
    pub host: Host,
    /// What it is known by, and what knows us, over TLS.
    pub tls: Option<Tls>,
    /// Whether instances are services of a Swarm, or containers of this engine alone.
    pub mode: Mode,
    /// Kiln's registry as the nodes reach it, `host:port`.
    pub registry: Option<String>,
    /// The ports that instances are published on.
    pub ports: RangeInclusive<u16>,
    /// Where published ports are reached, if not where the engine is.
    pub address: Option<IpAddr>,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// On a socket of this machine.
    Unix(PathBuf),
    /// Over the network.
    Tcp {
        /// A name or an address.
        name: String,
        /// The port.
        port: u16,
    },
}

/// Files for TLS, all three of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who vouches for the engine.
    pub ca: PathBuf,
    /// Who we are.
    pub cert: PathBuf,
    /// The proof of it.
    pub key: PathBuf,
}

impl Tls {
    /// Whether its files hold what they should.
    pub(crate) fn readable(&self) -> Result<(), String> {
        let files = [
            ("tlsCa", &self.ca, "CERTIFICATE-----"),
            ("tlsCert", &self.cert, "CERTIFICATE-----"),
            ("tlsKey", &self.key, "PRIVATE KEY-----"),
        ];
        for (name, path, what) in files {
            let text = std::fs::read(path)
                .map_err(|error| format!("{name}: {} cannot be read: {error}", path.display()))?;
            if !String::from_utf8_lossy(&text).contains(what) {
                let kind = what.trim_end_matches('-').to_lowercase();
                return Err(format!("{name}: {} holds no {kind}", path.display()));
            }
        }
        Ok(())
    }
}

/// What an instance is to Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A container of one engine.
    Single,
    /// A service of a Swarm.
    Swarm,
}

/// Why settings are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A key that there is not.
    #[error("there is no setting {key}{}; there are {}", meant(.nearest), KEYS.join(", "))]
    Unknown {
        /// As it was written.
        key: String,
        /// What it may have been meant to be.
        nearest: Option<&'static str>,
    },
    /// A value that is none for its key.
    #[error("{key} is {found}; {allowed}")]
    Bad {
        /// The key.
        key: &'static str,
        /// The value, as JSON.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Something that must be there is not.
    #[error("{key} is missing: {why}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it is for.
        why: &'static str,
    },
}

fn meant(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |key| format!(" (did you mean {key}?)"))
}

impl EngineSettings {
    /// Reads settings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(settings: &Map<String, Value>) -> Result<Self, SettingsError> {
        if let Some(key) = settings.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = nearest(key, KEYS);
            return Err(SettingsError::Unknown { key: key.clone(), nearest });
        }
        let host = host(settings)?;
        let tls = tls(settings)?;
        if tls.is_some() && matches!(host, Host::Unix(_)) {
            let allowed =
                "a socket of this machine has no TLS: leave out tlsCa, tlsCert and tlsKey";
            return Err(bad("host", &settings["host"], allowed));
        }
        Ok(Self {
            host,
            tls,
            mode: mode(settings)?,
            registry: registry(settings)?,
            ports: ports(settings)?,
            address: address(settings)?,
        })
    }

    /// An engine with nothing but its host set.
    #[must_use]
    pub fn at(host: Host, mode: Mode) -> Self {
        Self { host, tls: None, mode, registry: None, ports: PORTS, address: None }
    }
}

impl Host {
    /// Whether it is this machine for sure.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// The address that it names, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Unix(_) => Some(Ipv4Addr::LOCALHOST.into()),
            Self::Tcp { name, .. } => name.trim_matches(['[', ']']).parse().ok(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return path.is_absolute().then_some(Self::Unix(path));
        }
        let (name, port) = text.strip_prefix("tcp://")?.trim_end_matches('/').rsplit_once(':')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let good = !name.is_empty() && name.chars().all(plain);
        let port = port.parse().ok().filter(|port| *port > 0)?;
        good.then(|| Self::Tcp { name: name.to_owned(), port })
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { name, port } => write!(f, "tcp://{name}:{port}"),
        }
    }
}

fn bad(key: &'static str, found: &Value, allowed: &'static str) -> SettingsError {
    SettingsError::Bad { key, found: found.to_string(), allowed }
}

fn text<'a>(
    settings: &'a Map<String, Value>,
    key: &'static str,
    allowed: &'static str,
) -> Result<Option<&'a str>, SettingsError> {
    let Some(value) = settings.get(key) else { return Ok(None) };
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(Some).ok_or_else(|| bad(key, value, allowed))
}

fn host(settings: &Map<String, Value>) -> Result<Host, SettingsError> {
    let allowed = "it is unix:///PATH or tcp://HOST:PORT";
    let why = "where the engine listens, as unix:///PATH or tcp://HOST:PORT";
    let text = text(settings, "host", allowed)?;
    let text = text.ok_or(SettingsError::Missing { key: "host", why })?;
    Host::parse(text).ok_or_else(|| bad("host", &settings["host"], allowed))
}

fn tls(settings: &Map<String, Value>) -> Result<Option<Tls>, SettingsError> {
    let file = |key| {
        let allowed = "it is the whole path of a file";
        let path = text(settings, key, allowed)?.map(PathBuf::from);
        match path {
            Some(path) if !path.is_absolute() => Err(bad(key, &settings[key], allowed)),
            path => Ok(path),
        }
    };
    let why = "of tlsCa, tlsCert and tlsKey there are all or none";
    let missing = |key| SettingsError::Missing { key, why };
    let (ca, cert, key) = (file("tlsCa")?, file("tlsCert")?, file("tlsKey")?);
    if ca.is_none() && cert.is_none() && key.is_none() {
        return Ok(None);
    }
    Ok(Some(Tls {
        ca: ca.ok_or_else(|| missing("tlsCa"))?,
        cert: cert.ok_or_else(|| missing("tlsCert"))?,
        key: key.ok_or_else(|| missing("tlsKey"))?,
    }))
}

fn mode(settings: &Map<String, Value>) -> Result<Mode, SettingsError> {
    match settings.get("swarm") {
        None | Some(Value::Bool(false)) => Ok(Mode::Single),
        Some(Value::Bool(true)) => Ok(Mode::Swarm),
        Some(other) => Err(bad("swarm", other, "it is true or false")),
    }
}

fn registry(settings: &Map<String, Value>) -> Result<Option<String>, SettingsError> {
    let allowed = "it is HOST:PORT, without a scheme: Kiln's registry as the nodes reach it";
    let Some(found) = text(settings, "registry", allowed)? else { return Ok(None) };
    let good = Host::parse(&format!("tcp://{found}")).is_some() && !found.contains('/');
    good.then(|| Some(found.to_owned()))
        .ok_or_else(|| bad("registry", &settings["registry"], allowed))
}

fn ports(settings: &Map<String, Value>) -> Result<RangeInclusive<u16>, SettingsError> {
    let allowed = "it is FIRST-LAST, such as 20000-29999, from 1024 on";
    let Some(found) = text(settings, "ports", allowed)? else { return Ok(PORTS) };
    let range = found.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (1024 <= first && first <= last).then_some(first..=last)
    });
    range.ok_or_else(|| bad("ports", &settings["ports"], allowed))
}

fn address(settings: &Map<String, Value>) -> Result<Option<IpAddr>, SettingsError> {
    let allowed = "it is the IP address where published ports are reached";
    let Some(found) = text(settings, "address", allowed)? else { return Ok(None) };
    let ip: Option<IpAddr> = found.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
    ip.map(Some).ok_or_else(|| bad("address", &settings["address"], allowed))
}

#[cfg(test)]
mod tests;
