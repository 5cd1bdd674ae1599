//! `kiln watch`.

use crate::CliError;
use crate::follow::follow_with;
use crate::outcome::conclude;
use crate::output::Form;
use crate::session::Session;
use kiln_names::DeploymentId;
use kiln_protocol::Exit;

/// Follow a deployment to its end; exits as the deployment did
///
/// With --json each event is a line; the last holds the whole deployment.
///
/// Example:
///
///   kiln watch 0123456789ab
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Watch {
    /// The deployment's id
    id: DeploymentId,
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let ended = follow_with(session, self.id, |session, event| match session.output.form {
            Form::Json => session.output.data(event, |_| String::new()),
            Form::Text => Ok(()),
        });
        let ended = ended.await?;
        match session.output.form {
            Form::Json => Ok(ended.state.exit().unwrap_or(Exit::Done)),
            Form::Text => conclude(session, &ended),
        }
    }
}
