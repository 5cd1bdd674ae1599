//! `kiln unlock`.

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Let deployments begin again, whoever locked them
///
/// Example:
///
///   kiln unlock
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Unlock {}

impl Unlock {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let lock = session.client.unlock().await?;
        session.output.data(&lock, |_| "Nothing is locked: deployments may begin.".to_owned())?;
        Ok(Exit::Done)
    }
}
