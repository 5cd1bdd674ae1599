//! `kiln status`.

use crate::CliError;
use crate::capacity::shown;
use crate::memory::advice;
use crate::session::Session;
use crate::table::Table;
use crate::words::{clean, or_dash, size};
use kiln_names::{AppName, EnvName};
use kiln_protocol::Exit;
use kiln_protocol::deployment::DeploymentState;
use kiln_protocol::status::{ExternalAddress, ExternalGroup, Group, Status as Running};

/// Show what runs
///
/// Example:
///
///   kiln status hello prod
///   kiln status --capacity
///
/// MEMORY is the most that one instance uses now, of what each may use. With
/// --capacity: what this machine has, what limits promise, what is really used,
/// and how many instances more still fit.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Status {
    /// Only of this application
    app: Option<AppName>,
    /// Only in this environment
    env: Option<EnvName>,
    /// Show what there is, what is promised and used, and what still fits
    #[arg(long, conflicts_with_all = ["app", "env"])]
    capacity: bool,
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        if self.capacity {
            let capacity = session.client.capacity().await?;
            if capacity.is_empty() {
                session.output.say("There is no environment yet: kiln env create prod");
            }
            session.output.list(&capacity, |all| all.iter().map(shown).collect())?;
            return Ok(Exit::Done);
        }
        let status = session.client.status(self.app.as_ref(), self.env.as_ref()).await?;
        if status.is_empty() {
            session.output.say("Nothing is deployed.");
        }
        session.output.list(&status, words)?;
        if let [running] = &status[..] {
            let lines = advice(&running.app, &running.env, &running.memory);
            lines.iter().for_each(|line| session.output.say(line));
        }
        if let Some(held) = &session.client.lock_holder().await?.held {
            session.output.say(&super::lock::words(held));
        }
        Ok(Exit::Done)
    }
}

fn words(status: &[Running]) -> String {
    let head = ["GROUP", "STATE", "HEALTHY", "TRAFFIC", "PEAK/LIMIT", "VERSION"];
    let mut table = Table::new(head);
    for running in status {
        for group in &running.groups {
            table.row(row(running, group));
        }
        for outside in &running.external {
            table.row(external(running, outside));
        }
    }
    let mut text = table.text();
    for running in status {
        text.push_str(&remark(running));
    }
    text
}

/// What fits a terminal: the group's name says application and environment.
fn row(running: &Running, group: &Group) -> [String; 6] {
    let release = || group.release.short();
    [
        group.name.to_string(),
        group.state.as_str().to_owned(),
        format!("{}/{}", group.healthy, group.size),
        or_dash(group.weight.map(|weight| format!("{weight}%"))),
        memory(group),
        group.version.as_deref().map_or_else(release, |name| version(running, name)),
    ]
}

/// The same of what Kiln does not run.
fn external(running: &Running, outside: &ExternalGroup) -> [String; 6] {
    let Running { app, env, .. } = running;
    let healthy = outside.addresses.iter().filter(|at| at.healthy).count();
    [
        format!("{app}-{env}-{}", outside.process),
        "external".to_owned(),
        format!("{healthy}/{}", outside.addresses.len()),
        format!("{}%", outside.weight),
        or_dash(None::<String>),
        or_dash(None::<String>),
    ]
}

/// The most memory that any instance ever used, of what it may.
fn memory(group: &Group) -> String {
    let used = group.memory_peak.or(group.memory).map(|memory| size(memory.0));
    match (used, group.memory_limit) {
        (Some(used), Some(limit)) => format!("{used}/{limit}"),
        (used, _) => or_dash(used),
    }
}

/// `APP:VERSION` without the application.
fn version(running: &Running, name: &str) -> String {
    let version = name.strip_prefix(running.app.as_str()).and_then(|rest| rest.strip_prefix(':'));
    version.unwrap_or(name).to_owned()
}

/// What the table does not say: of addresses outside, and of a deployment that did not simply
/// complete.
fn remark(running: &Running) -> String {
    outside(running) + &unfinished(running).unwrap_or_default()
}

/// A line for each address outside that gets no requests.
fn outside(running: &Running) -> String {
    let Running { app, env, .. } = running;
    let addresses = running.external.iter().flat_map(|group| &group.addresses);
    let line = |at: &ExternalAddress| {
        let said = at.last_check.as_deref().unwrap_or("not checked yet");
        format!("{app} {env}: {} gets no requests: {}\n", at.address, clean(said))
    };
    addresses.filter(|at| !at.healthy).map(line).collect()
}

fn unfinished(running: &Running) -> Option<String> {
    let Running { app, env, .. } = running;
    let deployment = running.deployment.as_ref()?;
    if deployment.state == DeploymentState::Completed {
        return None;
    }
    let reason = deployment.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    let (id, verb, state) = (deployment.id, &deployment.verb, deployment.state);
    Some(format!("{app} {env}: {verb} {id} is {state}{}\n", reason.unwrap_or_default()))
}
