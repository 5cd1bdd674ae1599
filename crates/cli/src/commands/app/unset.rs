//! `kiln app unset`.

use super::words;
use crate::CliError;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;

/// Forget a property of an application
///
/// Example:
///
///   kiln app unset hello tier
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Unset {
    /// The application
    pub name: AppName,
    /// The property, or a dotted path to it
    pub key: String,
}

impl Unset {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let app = session.client.unset_app_property(&self.name, &self.key).await?;
        session.output.data(&app, words)?;
        Ok(Exit::Done)
    }
}
