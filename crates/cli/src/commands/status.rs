//! `kiln status`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use crate::words::{clean, or_dash};
use kiln_names::{AppName, EnvName};
use kiln_protocol::Exit;
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::status::{Group, Status as Running};

/// Show what runs
///
/// Example:
///
///   kiln status hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Status {
    /// Only of this application
    app: Option<AppName>,
    /// Only in this environment
    env: Option<EnvName>,
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let status = session.client.status(self.app.as_ref(), self.env.as_ref()).await?;
        if status.is_empty() {
            session.output.say("Nothing is deployed.");
        }
        session.output.list(&status, words)?;
        if let Some(held) = &session.client.lock_holder().await?.held {
            session.output.say(&super::lock::words(held));
        }
        Ok(Exit::Done)
    }
}

fn words(status: &[Running]) -> String {
    let head = ["GROUP", "STATE", "HEALTHY", "TRAFFIC", "VERSION"];
    let mut table = Table::new(head);
    for running in status {
        for group in &running.groups {
            table.row(row(running, group));
        }
    }
    let mut text = table.text();
    for running in status {
        text.push_str(&remark(running));
    }
    text
}

/// What fits a terminal: the group's name says application and environment.
fn row(running: &Running, group: &Group) -> [String; 5] {
    let release = || group.release.short();
    [
        group.name.to_string(),
        group.state.as_str().to_owned(),
        format!("{}/{}", group.healthy, group.size),
        or_dash(group.weight.map(|weight| format!("{weight}%"))),
        group.version.as_deref().map_or_else(release, |name| version(running, name)),
    ]
}

/// `APP:VERSION` without the application.
fn version(running: &Running, name: &str) -> String {
    let version = name.strip_prefix(running.app.as_str()).and_then(|rest| rest.strip_prefix(':'));
    version.unwrap_or(name).to_owned()
}

/// A line about a deployment that did not simply complete.
fn remark(running: &Running) -> String {
    let Running { app, env, .. } = running;
    let Some(deployment) = &running.deployment else { return String::new() };
    if deployment.state == DeploymentState::Completed {
        return String::new();
    }
    let reason = deployment.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    let (id, verb, state) = (deployment.id, &deployment.verb, deployment.state);
    format!("{app} {env}: {verb} {id} is {state}{}\n", reason.unwrap_or_default())
}
