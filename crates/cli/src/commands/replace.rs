//! `kiln replace`.

use crate::CliError;
use crate::session::Session;
use kiln_names::InstanceId;
use kiln_protocol::Exit;

/// Replace an instance: an identical one first, then this one drains and stops
///
/// Returns once that is under way; `kiln instances` shows how it goes.
///
/// Example:
///
///   kiln replace 0123456789ab
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Replace {
    /// The instance's id
    instance: InstanceId,
}

impl Replace {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let instance = session.client.replace(self.instance).await?;
        session.output.data(&instance, |instance| {
            format!("Replacing instance {} of {}.", instance.id, instance.group)
        })?;
        Ok(Exit::Done)
    }
}
