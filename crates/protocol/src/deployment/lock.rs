//! The one lock over everything, on the wire.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether somebody holds the lock over everything: then no deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    /// Who holds it; none when deployments may begin.
    pub held: Option<HeldLock>,
}

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldLock {
    /// Who took it.
    pub user: String,
    /// Why.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}
