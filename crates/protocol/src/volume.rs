//! Volumes, on the wire.

use kiln_names::{InstanceId, ProcessName, VolumeName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What instances of a process keep in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Volume {
    /// The process.
    pub process: ProcessName,
    /// Its name, among those of the process.
    #[schema(value_type = String)]
    pub name: VolumeName,
    /// The slot of the instances that it belongs to.
    pub slot: u32,
    /// The instance that has it now.
    pub instance: Option<InstanceId>,
}
