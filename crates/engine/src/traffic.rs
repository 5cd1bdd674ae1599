//! The [`Traffic`] trait: what carries requests to groups.

use crate::{Call, EngineError, Figures};
use kiln_names::{AppName, EnvName, GroupId, ProcessName, Route};
use kiln_protocol::configuration::External;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Counts the changes of one application's traffic in one environment; 0 before the first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TrafficVersion(pub u64);

/// All routes and weights of one application in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficState {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// Its clusters that take requests; one that is not listed takes none.
    pub clusters: Vec<ClusterTraffic>,
}

/// How requests reach one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterTraffic {
    /// The process.
    pub process: ProcessName,
    /// Where it is reached.
    pub routes: Vec<Route>,
    /// Which groups take which share. A group with weight 0 is checked and takes no request; a
    /// group that is not listed is not known to the traffic at all.
    pub shares: Vec<Share>,
    /// What takes a part of the requests outside; the groups divide the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// A group's share of its cluster's requests: its weight over the sum of all weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The group.
    pub group: GroupId,
    /// From 0 to 1,000,000.
    pub weight: u32,
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficObservation {
    /// Who does not carry the state yet, in words; none once it is in force everywhere.
    pub awaits: Option<String>,
    /// The version in force everywhere.
    pub version: TrafficVersion,
    /// What that version holds.
    pub state: TrafficState,
    /// Of each group that is known to the traffic: how many instances it sees healthy, and how
    /// many requests they have in flight, where known.
    pub groups: Vec<GroupTraffic>,
    /// What it sees of addresses outside.
    pub external: Vec<ExternalTraffic>,
}

/// What the traffic sees of an address outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTraffic {
    /// The process whose requests it takes.
    pub process: ProcessName,
    /// Where it is.
    pub address: SocketAddr,
    /// Whether requests are sent to it.
    pub healthy: bool,
    /// The last check's answer, once there was one.
    pub last_check: Option<String>,
}

/// What the traffic sees of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupTraffic {
    /// The group.
    pub group: GroupId,
    /// Instances that it would send requests to.
    pub healthy: u32,
    /// Requests in flight, where known.
    pub in_flight: Option<u64>,
}

/// Carries requests to groups.
#[async_trait::async_trait]
pub trait Traffic: Send + Sync + std::fmt::Debug {
    /// Replaces all routes and weights of an application in an environment in one step. When it
    /// returns, every request that begins is served by the new state.
    ///
    /// # Errors
    /// `Stale` when `expected` is not the version in force, or the epoch is not the newest, unless
    /// the state in force is already the one asked for.
    async fn apply(
        &self,
        call: Call,
        desired: &TrafficState,
        expected: TrafficVersion,
    ) -> Result<TrafficVersion, EngineError>;

    /// What was counted of requests, by group; nothing where the provider does not count. As fresh
    /// as it can be had.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    async fn figures(&self, app: &AppName, env: &EnvName) -> Result<Vec<Figures>, EngineError>;

    /// What is in force for an application in an environment.
    async fn observe(
        &self,
        app: &AppName,
        env: &EnvName,
    ) -> Result<TrafficObservation, EngineError>;
}
