//! `kiln deployment`.

use crate::CliError;
use crate::session::Session;
use crate::words::{clean, or_dash, seconds};
use kiln_names::DeploymentId;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{Action, ActionState, Deployment as Deployed};

/// Show a deployment: what was asked, what was done, how it ended
///
/// Example:
///
///   kiln deployment 0123456789ab
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Deployment {
    /// The deployment's id
    id: DeploymentId,
}

impl Deployment {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.output.data(&session.client.deployment(self.id).await?, words)?;
        Ok(Exit::Done)
    }
}

fn words(deployment: &Deployed) -> String {
    let Deployed { id, app, env, verb, state, user, started, .. } = deployment;
    let mut text = format!("{id}\n  {verb} of {app} in {env}, {state}\n");
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<8}  {}\n", clean(value)));
    };
    line("reason", &or_dash(deployment.reason.as_ref()));
    line("next", &or_dash(deployment.hint.as_ref()));
    line("message", &deployment.message);
    line("user", user);
    line("started", &started.to_string());
    line("ended", &or_dash(deployment.ended));
    line("release", &or_dash(deployment.release.map(|release| release.short())));
    line("from", &or_dash(deployment.from.map(|release| release.short())));
    line("image", &or_dash(deployment.image.map(|image| image.short())));
    line("version", &or_dash(deployment.version.as_ref()));
    line("config", &or_dash(deployment.config.map(|commit| commit.short())));
    if let Some(failure) = &deployment.failure {
        line("failed", &format!("{}: {}", failure.action, failure.reason));
        line("check", &or_dash(failure.last_check.as_ref()));
        line("instance", &or_dash(failure.instance));
        for said in &failure.log {
            line("|", said);
        }
    }
    for action in &deployment.actions {
        text.push_str(&action_line(action));
    }
    text
}

fn action_line(action: &Action) -> String {
    let took = action.ended.map(|ended| seconds(ended.since(action.started)));
    let took = match action.state {
        ActionState::Running => "…".to_owned(),
        ActionState::Failed => "failed".to_owned(),
        ActionState::Done => took.unwrap_or_default(),
    };
    let note = clean(action.note.as_ref().unwrap_or(&action.summary));
    format!("  {}\n", format!("{:<26} {took:>7}  {note}", action.name).trim_end())
}
