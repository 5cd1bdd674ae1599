//! `kiln rollback`.

use crate::CliError;
use crate::commands::Target;
use crate::differences::differences;
use crate::follow::follow;
use crate::outcome::conclude;
use crate::output::Form;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::deployment::RollbackRequest;

/// Go back to an earlier release, its configuration included
///
/// Without --to, to the release that the active one replaced; once more goes one
/// further back. At once while that release is kept warm. On a terminal, what will
/// differ is shown first; kiln plan --rollback shows it and does nothing.
///
/// Example:
///
///   kiln rollback hello prod -m "the greeting offends"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Rollback {
    #[command(flatten)]
    target: Target,
    /// Why
    #[arg(short, long, value_name = "MSG")]
    message: String,
    /// To this release
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let request = RollbackRequest { to: self.to, message: self.message };
        if session.output.live && session.output.form == Form::Text {
            // What makes no sense is refused below, with all that there is to say about it.
            if let Ok(plan) = session.client.plan_rollback(app, env, &request).await {
                session.output.say(differences(&plan.differences).trim_end());
            }
        }
        let deployment = session.client.rollback(app, env, &request).await?;
        conclude(session, &follow(session, &deployment).await?)
    }
}
