//! The table: which routes lead to which clusters, with which groups, weights and instances.
//!
//! Plain data, sent whole. [`Table::check`] is the only judge of what a router accepts.

use kiln_names::{GroupId, InstanceId, Route, Span};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::Hash;
use std::net::SocketAddr;

/// The most clusters, routes, groups or instances that one table may hold. Tables are kept in memory
/// and scanned whole when they change; a machine runs some hundred instances.
pub(crate) const MAX_ENTRIES: usize = 65_536;
/// The largest weight, so that sums of weights stay far from overflow.
const MAX_WEIGHT: u32 = 1_000_000;

/// All that a router knows. Numbered by (`epoch`, `version`); a router never goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Which life of the database this is: raised when a database is restored or begun anew.
    pub epoch: u64,
    /// Raised with every change within an epoch.
    pub version: u64,
    /// All clusters.
    pub clusters: Vec<Cluster>,
}

/// All groups of one application, environment and process, with the routes that lead there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// `APP/ENV/PROCESS`, for people; unique, not taken apart.
    pub name: String,
    /// The routes; none are held by two clusters.
    pub routes: Vec<Route>,
    /// The groups; those with weight 0 are checked and take no traffic.
    pub groups: Vec<Group>,
}

/// One server group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group.
    pub id: GroupId,
    /// Its share of the cluster's traffic, relative to the other groups' weights.
    pub weight: u32,
    /// Its instances.
    pub instances: Vec<Endpoint>,
}

/// One instance: where it listens and how it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The instance. Health, requests in flight and idle connections belong to this id.
    pub id: InstanceId,
    /// Where it listens. Another address under the same id is another instance.
    pub address: SocketAddr,
    /// How it is checked.
    pub check: Check,
}

/// How an instance is checked for as long as it is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// How it is asked.
    #[serde(default, skip_serializing_if = "CheckKind::is_default")]
    pub kind: CheckKind,
    /// What is asked for over HTTP, with its query if it has one.
    pub path: String,
    /// The time from one check to the next, spread by a tenth.
    pub interval: Span,
    /// How long one check may take.
    pub timeout: Span,
    /// After so many failures in a row the instance is unhealthy; one pass makes it healthy again.
    pub unhealthy_threshold: u32,
    /// How it is checked until its first pass.
    pub startup: StartupCheck,
}

/// How an instance is asked. Left out where it is HTTP: routers of before there were others read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// `GET path`; 2xx or 3xx is a pass.
    #[default]
    Http,
    /// A connection over TCP; that it is accepted is a pass.
    Tcp,
}

/// How an instance is checked until its first pass: at once, then after 10 ms, growing by half each
/// time up to the interval. One try may take as long as [`Check::timeout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartupCheck {
    /// How it is asked.
    #[serde(default, skip_serializing_if = "CheckKind::is_default")]
    pub kind: CheckKind,
    /// What is asked for over HTTP.
    pub path: String,
    /// The longest time from one try to the next.
    pub interval: Span,
    /// The time in all, after which the instance has failed to start.
    pub timeout: Span,
}

/// Why a table is refused.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Two of what there may be one of.
    #[error("{what} {name} stands twice in the table")]
    Twice {
        /// "cluster", "route", "group" or "instance".
        what: &'static str,
        /// Which.
        name: String,
    },
    /// Too many entries.
    #[error("more than {MAX_ENTRIES} of {what} in the table")]
    TooMany {
        /// "clusters", "routes", "groups" or "instances".
        what: &'static str,
    },
    /// A weight out of range.
    #[error("weight {weight} of group {group} is over {MAX_WEIGHT}")]
    Weight {
        /// The group.
        group: GroupId,
        /// Its weight.
        weight: u32,
    },
    /// A check that cannot be carried out.
    #[error("check of instance {instance}: {rule}")]
    Check {
        /// The instance.
        instance: InstanceId,
        /// What would be allowed.
        rule: &'static str,
    },
}

impl CheckKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Check {
    /// `GET /` every 2 s, 2 s for the answer, unhealthy after 3 failures, 60 s to start.
    fn default() -> Self {
        Self {
            kind: CheckKind::Http,
            path: "/".to_owned(),
            interval: Span::seconds(2),
            timeout: Span::seconds(2),
            unhealthy_threshold: 3,
            startup: StartupCheck::default(),
        }
    }
}

impl Default for StartupCheck {
    fn default() -> Self {
        Self {
            kind: CheckKind::Http,
            path: "/".to_owned(),
            interval: Span::seconds(2),
            timeout: Span::seconds(60),
        }
    }
}

impl Table {
    /// The number by which tables are ordered.
    #[must_use]
    pub fn number(&self) -> (u64, u64) {
        (self.epoch, self.version)
    }

    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// [`TableError`] for the first thing found wrong.
    pub fn check(&self) -> Result<(), TableError> {
        let clusters = || self.clusters.iter();
        let groups = || clusters().flat_map(|cluster| &cluster.groups);
        let instances = || groups().flat_map(|group| &group.instances);
        each_once("cluster", "clusters", clusters().map(|cluster| cluster.name.as_str()))?;
        each_once("route", "routes", clusters().flat_map(|cluster| &cluster.routes))?;
        each_once("group", "groups", groups().map(|group| group.id))?;
        each_once("instance", "instances", instances().map(|instance| instance.id))?;
        groups().try_for_each(check_weight)?;
        instances().try_for_each(Endpoint::check)
    }
}

impl Endpoint {
    fn check(&self) -> Result<(), TableError> {
        let check = &self.check;
        let spans = [check.interval, check.timeout, check.startup.interval, check.startup.timeout];
        let rule = if !is_path(&check.path) || !is_path(&check.startup.path) {
            "a path begins with / and is what a request line can hold"
        } else if spans.contains(&Span::ZERO) {
            "intervals and timeouts are longer than nothing"
        } else if check.unhealthy_threshold == 0 {
            "the unhealthy threshold is at least 1"
        } else {
            return Ok(());
        };
        Err(TableError::Check { instance: self.id, rule })
    }
}

fn check_weight(group: &Group) -> Result<(), TableError> {
    let Group { id, weight, .. } = *group;
    if weight > MAX_WEIGHT {
        return Err(TableError::Weight { group: id, weight });
    }
    Ok(())
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok()
}

fn each_once<T: Hash + Eq + std::fmt::Display>(
    one: &'static str,
    many: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<(), TableError> {
    let mut seen = HashSet::new();
    for item in items {
        if seen.len() == MAX_ENTRIES {
            return Err(TableError::TooMany { what: many });
        }
        if seen.contains(&item) {
            return Err(TableError::Twice { what: one, name: item.to_string() });
        }
        seen.insert(item);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
