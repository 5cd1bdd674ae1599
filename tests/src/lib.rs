//! A harness around the real `kiln`: starts one in a directory of its own, talks to it the way people
//! do, takes parts of it away, and looks for what it leaves behind.
//!
//! Every [`Kiln`] is an installation of its own, so that any number of tests run side by side.

mod authority;
pub mod cache;
mod canary;
mod chance;
mod disk;
pub mod docker;
mod image;
mod kiln;
mod leaks;
pub mod measure;
mod ports;
mod program;
mod project;
mod prometheus;
mod ran;
mod receiver;
mod router;
mod strays;
pub mod swarm;
mod terminal;
mod units;
mod wait;

pub use authority::Authority;
pub use canary::Canary;
pub use chance::Chance;
pub use disk::SmallDisk;
pub use docker::Docker;
pub use image::{debian, rootfs, suite};
pub use kiln::{Kiln, Part, USER};
pub use leaks::Leaks;
pub use program::{kiln, repository, service};
pub use project::Project;
pub use prometheus::Prometheus;
pub use ran::Ran;
pub use receiver::{Heard, Receiver};
pub use router::EdgeRouter;
pub use swarm::Swarm;
pub use terminal::{Shown, Terminal};
pub use units::Unit;
pub use wait::{note, until, until_some};
