//! `kiln replace`.

use crate::CliError;
use crate::follow::follow;
use crate::outcome::conclude;
use crate::session::Session;
use kiln_names::InstanceId;
use kiln_protocol::Exit;
use kiln_protocol::deployment::Reason;

/// Replace an instance: an identical one first, then this one drains and stops
///
/// Example:
///
///   kiln replace 0123456789ab -m "it leaks"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Replace {
    /// The instance's id
    instance: InstanceId,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Replace {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let reason = Reason { message: self.message };
        let deployment = session.client.replace(self.instance, &reason).await?;
        conclude(session, &follow(session, &deployment).await?)
    }
}
