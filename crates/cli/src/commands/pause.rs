//! `kiln pause`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{DeploymentState, Reason};

/// Stop the current deployment after the action in flight
///
/// It keeps its lock, and what runs goes on serving, until `kiln resume`, or until
/// `kiln undo` takes it back.
///
/// Example:
///
///   kiln pause hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Pause {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let reason = Reason { message: self.message };
        let deployment = session.client.pause(app, env, &reason).await?;
        session.output.data(&deployment, |deployment| {
            let id = deployment.id;
            match deployment.state {
                DeploymentState::Paused => format!("Deployment {id} is paused."),
                _ => format!("Deployment {id} pauses after the action in flight."),
            }
        })?;
        session
            .output
            .say(&format!("Go on with: kiln resume {app} {env}, or kiln undo {app} {env}"));
        Ok(Exit::Done)
    }
}
