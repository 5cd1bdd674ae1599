//! `kiln app get`.

use crate::CliError;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;

/// Print a property of an application, as JSON
///
/// Example:
///
///   kiln app get hello tier
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Get {
    /// The application
    pub name: AppName,
    /// The property, or a dotted path to it
    pub key: String,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let value = session.client.app_property(&self.name, &self.key).await?;
        session.output.data(&value, ToString::to_string)?;
        Ok(Exit::Done)
    }
}
