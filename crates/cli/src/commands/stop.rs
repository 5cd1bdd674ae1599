//! `kiln stop`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow;
use crate::outcome::conclude;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::Reason;

/// Remove all instances and free the routes
///
/// Example:
///
///   kiln stop hello prod -m "retired"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Stop {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Stop {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let reason = Reason { message: self.message };
        let deployment = session.client.stop(app, env, &reason).await?;
        conclude(session, &follow(session, &deployment).await?)
    }
}
