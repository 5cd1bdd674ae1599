//! Request, plan, journal, status: how a release reaches production.
//!
//! Read it in this order. A [`Request`] takes the lock of its application and environment.
//! `prepare` reads, decides and changes nothing; what it decides is a [`Plan`]: an ordered list of
//! [`Action`](actions::Action)s with everything they need. Sealed into the journal, the plan is
//! carried out by an executor that has no choice left: one task per deployment writes an intent
//! before each effect and a result after it. The status of a deployment is what its
//! [`Event`](journal::Event)s add up to, so that a crash at any instant loses nothing: the next
//! server folds the journal and goes on.
//!
//! # Guarantees
//! * One deployment at a time for an application in an environment; a unique index says so.
//! * Once a healthy group of full size has the traffic of a cluster, some such group always has
//!   it: through failure, undo, rollback and crash.
//! * Every action runs at least once and may run again.

pub mod actions;
mod analysis;
mod archive;
mod capacity;
mod decide;
mod difference;
mod drift;
mod error;
mod executor;
mod failure;
pub mod journal;
mod kit;
mod ledger;
mod lookout;
mod memory;
mod orchestrator;
mod place;
pub mod plan;
pub mod ports;
mod prepare;
mod progress;
mod recorder;
mod release;
mod request;
mod retirer;
mod room;
mod run;
mod scaler;
mod scaling;
mod status;
pub mod view;

pub use analysis::{Question, Questions};
pub use error::{Error, Holder, NotNow};
pub use failure::Failure;
pub use kit::Fuse;
pub use lookout::Groups;
pub use orchestrator::Orchestrator;
pub use plan::{Phase, Plan, PlannedAction};
pub use ports::{ManualClock, Ports, Problem, ProblemKind};
pub use progress::{Progress, ProgressEvent, ProgressStream, Step};
pub use release::Release;
pub use request::{Ask, Deploy, Request, Target, Why};
pub use room::Room;
pub use run::RunAsk;
pub use status::{Direction, IllegalTransition, Status};
