//! What runs groups and carries their traffic: two traits, the words they speak, an engine that
//! lives in memory, and the suite that every engine passes.
//!
//! Plain data goes in and out. Every call is idempotent: *ensure*, never *do*. An error says
//! whether trying again can help.

mod drift;
mod engine;
mod error;
mod figures;
mod group;
mod logs;
mod observation;
mod run;
mod traffic;

pub mod conformance;
pub mod sim;

pub use drift::{Depth, Drift};
pub use engine::{Call, Capabilities, Capacity, Engine, Resources, without_settings};
pub use error::{EngineError, ErrorKind};
pub use figures::Figures;
pub use group::{GroupSpec, KeptVolume, Slots, UserData};
pub use logs::{LogLine, LogQuery, LogStream, Source};
pub use observation::{
    CrashLoop, EndedInstance, Exit, InstanceState, MemoryPeak, Observation, ObservedGroup,
    ObservedInstance, Usage,
};
pub use run::{Run, RunEvent, RunSpec, Runner, TooManyRuns};
pub use traffic::{
    ClusterTraffic, ExternalTraffic, GroupTraffic, Share, Traffic, TrafficObservation,
    TrafficState, TrafficVersion,
};
