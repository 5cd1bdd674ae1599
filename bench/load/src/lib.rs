//! Clients that ask without pause, and count every answer that was not right.
//!
//! A deployment is without downtime when nobody notices. These are the ones who would: each of four
//! kinds of client goes through another part of a connection's life, none ever asks a second time,
//! and every answer is looked at. They stay on this machine, and every amount has a limit.
//!
//! ```no_run
//! # fn main() -> Result<(), kiln_load::Refused> {
//! let target = kiln_load::Target::new("127.0.0.1:8000".parse().unwrap(), "hello.prod.localhost")?;
//! let running = kiln_load::Load::new(target).start();
//! // … deploy …
//! let report = running.stop();
//! assert_eq!(report.failures(), 0, "{report}");
//! # Ok(())
//! # }
//! ```

mod allowed;
mod answer;
mod client;
mod kind;
mod limits;
mod load;
mod once;
mod report;
mod target;

pub use allowed::Allowed;
pub use answer::Answer;
pub use kind::Kind;
pub use limits::*;
pub use load::{Load, Running};
pub use once::{NoAnswer, get, post};
pub use report::{Reason, Report, Tally};
pub use target::{Refused, Target};
