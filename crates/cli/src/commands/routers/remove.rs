//! `kiln routers remove`.

use crate::CliError;
use crate::session::Session;
use kiln_names::RouterName;
use kiln_protocol::Exit;

/// Count out a router on another machine: no table waits for it any more
///
/// Stop it first: one that runs goes on with the table it has, and joins again.
///
/// Example:
///
///   kiln routers remove edge-1
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    /// The router
    name: RouterName,
}

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.client.remove_router(&self.name).await?;
        let removed = serde_json::json!({ "removed": self.name });
        session.output.data(&removed, |_| format!("Removed router {}.", self.name))?;
        Ok(Exit::Done)
    }
}
