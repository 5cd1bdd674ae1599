//! `kiln env show`.

use super::words;
use crate::CliError;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;

/// Show an environment
///
/// Example:
///
///   kiln env show prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// The environment
    pub name: EnvName,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.output.data(&session.client.env(&self.name).await?, words)?;
        Ok(Exit::Done)
    }
}
