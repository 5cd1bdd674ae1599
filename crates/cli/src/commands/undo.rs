//! `kiln undo`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow_on;
use crate::outcome::conclude;
use crate::output::Form;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{DeploymentState, Reason};

/// Take back what the current deployment did
///
/// The old instances take the traffic back, the new ones are removed. Nothing of
/// the deployment's record is erased.
///
/// Example:
///
///   kiln undo hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Undo {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Undo {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let reason = Reason { message: self.message };
        let deployment = session.client.undo(app, env, &reason).await?;
        let ended = follow_on(session, &deployment).await?;
        if ended.state != DeploymentState::Undone || session.output.form == Form::Json {
            // Undone is what was asked for.
            let exit = conclude(session, &ended)?;
            return Ok(if exit == Exit::Undone { Exit::Done } else { exit });
        }
        session.output.data(&ended, |ended| {
            let id = ended.id;
            format!("Deployment {id} of {app} in {env} is undone; everything is as before.")
        })?;
        Ok(Exit::Done)
    }
}
