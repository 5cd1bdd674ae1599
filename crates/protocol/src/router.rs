//! Routers: this machine's, and those on others that have joined.

use crate::Timestamp;
use kiln_names::{InstallId, RouterName};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use utoipa::ToSchema;

/// A router as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Router {
    /// What it is called; none for the router of the server's own machine.
    pub name: Option<RouterName>,
    /// Whether it carries the newest table.
    pub state: RouterState,
    /// Where it takes traffic, by its own account.
    #[schema(value_type = Option<String>)]
    pub listen: Option<SocketAddr>,
    /// The table that it carries.
    pub table: Option<TableNumber>,
    /// When it was heard of last.
    pub heard: Option<Timestamp>,
}

/// How a router stands to the newest table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouterState {
    /// It carries it.
    Current,
    /// It carries an earlier one, and is waited for.
    Behind,
    /// It was not heard of for so long that it is not waited for. It goes on with the table it has.
    Away,
}

/// Which table: a higher epoch comes later, and within one a higher version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableNumber {
    /// Raised with each start of the server.
    pub epoch: u64,
    /// Raised with each change.
    pub version: u64,
}

/// What a router on another machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterReport<S> {
    /// Its data directory: two routers of one name are told apart by it.
    pub install: InstallId,
    /// Its status.
    pub status: S,
}

impl std::fmt::Display for RouterState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Away => "away",
        })
    }
}
