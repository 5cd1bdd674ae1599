//! How one process is run, with nothing left open: what a plan freezes.

use super::{External, InsideCheck, Scale, Scheduled, Volume};
use kiln_names::{ByteSize, Invalid, Route, Span, VolumeName};
use serde::{Deserialize, Serialize};

/// How one process of an application is run in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessParams {
    /// The fewest instances that it may have.
    pub min: u32,
    /// The most instances that it may have.
    pub max: u32,
    /// The instances that a deployment starts.
    pub desired: u32,
    /// The share of processors of one instance; a hard limit.
    #[serde(rename = "milliCpu")]
    pub cpu: MilliCpu,
    /// The memory of one instance; a hard limit.
    pub memory: ByteSize,
    /// The processes and threads of one instance; a hard limit.
    pub pids: u32,
    /// Where it is reached; empty for a process without a port.
    pub routes: Vec<Route>,
    /// The check for life; means nothing to a process without a port.
    pub health_check: HealthCheck,
    /// The check at the start; means nothing to a process without a port.
    pub startup_check: StartupCheck,
    /// The check for life that is made in the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_check: Option<InsideCheck>,
    /// How long requests in flight are waited for before an instance is asked to stop.
    pub drain_timeout: Span,
    /// What network it sees.
    pub network: Network,
    /// What the number of its instances follows; `desired`, where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// How many instances there are at which time of the week; `desired`, where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Scheduled>,
    /// What takes a part of its requests outside Kiln.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// What its instances keep beyond their lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// What its engine alone understands.
    pub engine: serde_json::Map<String, serde_json::Value>,
}

impl ProcessParams {
    /// Whether its instances have a volume of that name.
    #[must_use]
    pub fn keeps(&self, volume: &VolumeName) -> bool {
        self.volumes.iter().any(|known| known.name == *volume)
    }
}

/// Thousandths of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MilliCpu(pub u32);

impl std::fmt::Display for MilliCpu {
    /// In processors, as configuration has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

/// What is asked of an instance now and then, to see whether all is well with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// How it is asked.
    #[serde(rename = "type", default, skip_serializing_if = "CheckKind::is_default")]
    pub kind: CheckKind,
    /// What is requested over HTTP; means nothing to other kinds.
    pub path: CheckPath,
    /// From one time to the next.
    pub interval: Span,
    /// How long an answer may take.
    pub timeout: Span,
    /// After how many failures in a row an instance counts as unhealthy.
    pub unhealthy_threshold: u32,
}

/// The same for an instance that has just started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartupCheck {
    /// How it is asked.
    #[serde(rename = "type", default, skip_serializing_if = "CheckKind::is_default")]
    pub kind: CheckKind,
    /// What is requested over HTTP; means nothing to other kinds.
    pub path: CheckPath,
    /// From one time to the next, in the end; it begins with 10 ms.
    pub interval: Span,
    /// How long the start may take in all.
    pub timeout: Span,
}

/// How an instance is asked whether all is well with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// A `GET` over HTTP, answered with a status of 2xx or 3xx.
    #[default]
    Http,
    /// A connection over TCP, accepted on the process's port.
    Tcp,
}

impl CheckKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What network an instance sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// One of its own.
    Isolated,
    /// The machine's; it listens where `$PORT` says.
    Host,
}

/// The path of a check, with its query if it has one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CheckPath(String);

impl CheckPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`] when no request could ask for it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        let good = text.starts_with('/') && text.len() <= 1024 && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            let rule = "it begins with / and has no blanks, no # and at most 1024 characters";
            Invalid::new(text, "a path to check", rule)
        })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CheckPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl std::fmt::Display for CheckPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
kiln_names::checked_text!(CheckPath);
