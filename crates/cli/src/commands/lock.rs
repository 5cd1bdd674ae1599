//! `kiln lock`.

use crate::CliError;
use crate::session::Session;
use crate::words::clean;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{HeldLock, Reason};

/// Let no deployment begin, anywhere, until `kiln unlock`
///
/// What is in progress goes on and can be undone, aborted and tried again; what
/// runs is kept running. Without -m, says who holds the lock.
///
/// Example:
///
///   kiln lock -m "the database moves"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Lock {
    /// Why
    #[arg(short, long, value_name = "MSG")]
    message: Option<String>,
}

impl Lock {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let lock = match self.message {
            Some(message) => session.client.lock(&Reason { message }).await?,
            None => session.client.lock_holder().await?,
        };
        session.output.data(&lock, |lock| {
            let free = || "Nothing is locked: deployments may begin.".to_owned();
            lock.held.as_ref().map_or_else(free, words)
        })?;
        Ok(Exit::Done)
    }
}

/// Who holds the lock, since when and why.
pub(super) fn words(held: &HeldLock) -> String {
    let HeldLock { user, message, since } = held;
    format!("Everything is locked by {} since {since}: {}", clean(user), clean(message))
}
