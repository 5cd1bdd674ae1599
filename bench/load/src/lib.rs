//! Clients that ask without pause or at a fixed rate, and count every answer that was not right.
//!
//! A deployment is without downtime when nobody notices. These are the ones who would: each of six
//! kinds of client goes through another part of a connection's life, none ever asks a second time,
//! and every answer is looked at. They stay on this machine, and every amount has a limit.
//!
//! A [`Load`] is of clients who ask again when they have their answer; an [`Offer`] is of requests
//! that come at a fixed rate, whatever becomes of the ones before, and tells how long answers took.
//!
//! ```no_run
//! # fn main() -> Result<(), kiln_load::Refused> {
//! let target = kiln_load::Target::new("127.0.0.1:8000".parse().unwrap(), "hello.prod.localhost")?;
//! let running = kiln_load::Offer::new(target, 500).start();
//! // … deploy …
//! let report = running.stop();
//! assert_eq!(report.failures(), 0, "{report}");
//! # Ok(())
//! # }
//! ```

mod allowed;
mod answer;
mod asker;
mod client;
mod dawdle;
mod failure;
mod kind;
mod limits;
mod load;
mod offer;
mod once;
mod report;
mod running;
mod tally;
mod target;

pub use allowed::Allowed;
pub use answer::Answer;
pub use failure::Why;
pub use kind::Kind;
pub use limits::*;
pub use load::Load;
pub use offer::Offer;
pub use once::{NoAnswer, get, post};
pub use report::Report;
pub use running::Running;
pub use tally::{Reason, Tally};
pub use target::{Refused, Target};
