//! Configuration in git, and user data.
//!
//! Every application has one bare repository per environment, made on first use:
//!
//! ```text
//! config/
//!   hello-prod.git/            bare; the branch `main` is the configuration's history
//!   .hooks/                    what git runs when someone pushes, see [`SmartHttp`]
//!   .kiln-XXXXXX/              a repository that is being made or removed, or a push; swept at start
//! ```
//!
//! The name is unambiguous because an environment's name has no hyphen. The newest commit of `main`
//! holds the three files of [`kiln_protocol::configuration`], valid; other files are people's own
//! and kept. Commits that were pushed together with a newer one may have mistakes: whoever reads
//! one is told.
//!
//! There are two ways to write: [`Repositories::put`] replaces one file, and a push goes through
//! git's own program and [`judge`]. Both move the branch by compare-and-swap, so that neither
//! overwrites the other.
//!
//! Assumptions: the `git` program, 2.36 or newer; nobody else writes into the directory except
//! through git.

mod bundle;
mod error;
mod git;
mod history;
mod objects;
mod push;
mod repositories;
mod revision;
mod smart_http;
mod snapshot;
mod user_data;
mod write;

pub use error::{CheckError, EnsureError, LogError, PutError, ReadError, RemoveError};
pub use git::GitError;
pub use history::LogEntry;
pub use push::{FileFault, PushRefused, Quarantine, judge};
pub use repositories::Repositories;
pub use revision::Revision;
pub use smart_http::{
    Answer, Ask, AskError, Encoding, Moved, Pack, Pieces, Protocol, Question, SmartHttp,
};
pub use snapshot::Snapshot;
pub use user_data::{InstanceFacts, environment, init_spec};
pub use write::{Put, PutOutcome};
