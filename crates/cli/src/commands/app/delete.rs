//! `kiln app delete`.

use crate::CliError;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;

/// Delete an application that is deployed nowhere
///
/// Example:
///
///   kiln stop hello prod && kiln app delete hello
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Delete {
    /// The application
    pub name: AppName,
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.client.delete_app(&self.name).await?;
        let deleted = serde_json::json!({ "deleted": self.name });
        session.output.data(&deleted, |_| format!("Deleted application {}.", self.name))?;
        Ok(Exit::Done)
    }
}
