//! `kiln resume`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow_on;
use crate::outcome::conclude;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::Reason;

/// Go on with a paused deployment
///
/// Example:
///
///   kiln resume hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Resume {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Resume {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let reason = Reason { message: self.message };
        let deployment = session.client.resume(app, env, &reason).await?;
        conclude(session, &follow_on(session, &deployment).await?)
    }
}
