//! `kiln abort`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow_on;
use crate::outcome::conclude;
use crate::output::Form;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{DeploymentState, Reason};

/// Stop the current deployment and touch nothing more
///
/// It is stuck then, and keeps its lock, until `kiln retry` or `kiln undo`.
///
/// Example:
///
///   kiln abort hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Abort {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Abort {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let reason = Reason { message: self.message };
        let deployment = session.client.abort(app, env, &reason).await?;
        let ended = follow_on(session, &deployment).await?;
        let done = matches!(ended.state, DeploymentState::Stuck | DeploymentState::Invalid);
        if !done || session.output.form == Form::Json {
            // That it goes no further is what was asked for.
            let exit = conclude(session, &ended)?;
            return Ok(if done { Exit::Done } else { exit });
        }
        session.output.data(&ended, |ended| {
            let id = ended.id;
            format!("Deployment {id} of {app} in {env} is aborted and touches nothing more.")
        })?;
        if ended.state == DeploymentState::Invalid {
            // It had not begun: nothing changed, and nothing is locked.
            return Ok(Exit::Done);
        }
        session
            .output
            .say(&format!("Go on with: kiln retry {app} {env}, or kiln undo {app} {env}"));
        Ok(Exit::Done)
    }
}
