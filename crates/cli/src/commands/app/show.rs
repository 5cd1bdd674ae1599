//! `kiln app show`.

use super::words;
use crate::CliError;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;

/// Show an application
///
/// Example:
///
///   kiln app show hello
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// The application
    pub name: AppName,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.output.data(&session.client.app(&self.name).await?, words)?;
        Ok(Exit::Done)
    }
}
