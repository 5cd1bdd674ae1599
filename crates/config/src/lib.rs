//! Configuration in git, and user data.
//!
//! Every application has one bare repository per environment, made on first use:
//!
//! ```text
//! config/
//!   hello-prod.git/            bare; the branch `main` is the configuration's history
//!   .kiln-XXXXXX/              a repository that is being made or removed; swept at start
//! ```
//!
//! The name is unambiguous because an environment's name has no hyphen. Each commit of `main` holds
//! the three files of [`kiln_protocol::configuration`]; other files are people's own and kept.
//!
//! Assumptions: the `git` program, 2.36 or newer; nobody else writes into the directory except
//! through git.

mod error;
mod git;
mod history;
mod objects;
mod repositories;
mod revision;
mod snapshot;
mod user_data;
mod write;

pub use error::{CheckError, EnsureError, LogError, PutError, ReadError, RemoveError};
pub use git::GitError;
pub use history::LogEntry;
pub use repositories::Repositories;
pub use revision::Revision;
pub use snapshot::Snapshot;
pub use user_data::{InstanceFacts, environment, init_spec};
pub use write::{Put, PutOutcome};
