//! `kiln env delete`.

use crate::CliError;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;

/// Delete an environment that nothing is deployed to
///
/// Example:
///
///   kiln env delete staging
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Delete {
    /// The environment
    pub name: EnvName,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.client.delete_env(&self.name).await?;
        let deleted = serde_json::json!({ "deleted": self.name });
        session.output.data(&deleted, |_| format!("Deleted environment {}.", self.name))?;
        Ok(Exit::Done)
    }
}
