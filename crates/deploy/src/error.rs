//! Why a request about a deployment is refused.

use crate::{Problem, Target};
use kiln_names::DeploymentId;
use kiln_protocol::deployment::DeploymentState;
use kiln_store::StoreError;
use kiln_store::lock::LockRow;

/// The deployment that holds the lock of an application in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub id: DeploymentId,
    /// What was asked for.
    pub verb: String,
    /// Who asked.
    pub who: String,
    /// Where it is in its life.
    pub state: DeploymentState,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// A verb that a deployment cannot take now: why, and what would work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {instead}")]
pub struct NotNow {
    /// Why it does not work.
    pub why: String,
    /// What would.
    pub instead: String,
}

/// Why a request is refused. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It makes no sense, names what is not there, or is forbidden: see the problem's kind.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// Another deployment holds the lock.
    #[error(
        "{verb} {target}: {} {} of {} holds it, {}; {hint}",
        holder.verb, holder.id, holder.who, holder.state
    )]
    Conflict {
        /// What was asked for.
        verb: &'static str,
        /// Of what.
        target: Target,
        /// Who holds the lock.
        holder: Box<Holder>,
        /// What to type instead.
        hint: String,
    },
    /// Somebody locked everything.
    #[error("{verb} {target}: {} locked everything: {}", lock.by.who, lock.message)]
    Locked {
        /// What was asked for.
        verb: &'static str,
        /// Of what.
        target: Target,
        /// Who holds the lock, since when and why.
        lock: Box<LockRow>,
    },
    /// The deployment cannot take that verb now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// There is no such deployment.
    #[error("find deployment {0}: there is none")]
    NoDeployment(DeploymentId),
    /// Nothing is in progress that the verb could be about.
    #[error("{verb} {target}: no deployment of it is in progress")]
    NothingInProgress {
        /// What was asked for.
        verb: &'static str,
        /// Of what.
        target: Target,
    },
    /// A journal cannot be read by this Kiln.
    #[error(
        "read the journal of deployment {deployment}: {reason}; only the Kiln that wrote it can"
    )]
    Journal {
        /// Whose.
        deployment: DeploymentId,
        /// Which record, and what is wrong with it.
        reason: String,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping.
    #[error("go on: this Kiln is stopping")]
    Stopping,
}
