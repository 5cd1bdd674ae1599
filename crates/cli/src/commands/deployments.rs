//! `kiln deployments`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use crate::words::or_dash;
use kiln_names::{AppName, DeploymentId, EnvName};
use kiln_protocol::Exit;

/// List deployments, the newest first
///
/// Example:
///
///   kiln deployments hello prod --limit 5
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Deployments {
    /// Only of this application
    app: Option<AppName>,
    /// Only in this environment
    env: Option<EnvName>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    /// Only those that began before this one
    #[arg(long, value_name = "ID")]
    before: Option<DeploymentId>,
}

impl Deployments {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Self { app, env, limit, before } = self;
        let (client, app, env) = (&session.client, app.as_ref(), env.as_ref());
        let deployments = client.deployments(app, env, before, limit).await?;
        if deployments.is_empty() {
            session.output.say("There are no deployments.");
        }
        session.output.list(&deployments, |deployments| {
            let head =
                ["ID", "APP", "ENV", "VERB", "STATE", "VERSION", "STARTED", "USER", "MESSAGE"];
            let mut table = Table::new(head);
            for deployment in deployments {
                table.row([
                    deployment.id.to_string(),
                    deployment.app.to_string(),
                    deployment.env.to_string(),
                    deployment.verb.clone(),
                    deployment.state.to_string(),
                    or_dash(deployment.version.as_ref()),
                    deployment.started.to_string(),
                    deployment.user.clone(),
                    deployment.message.clone(),
                ]);
            }
            table.text()
        })?;
        if let Some(last) = deployments.last().filter(|_| deployments.len() == limit as usize) {
            let names = [app.map(ToString::to_string), env.map(ToString::to_string)];
            let names = names.into_iter().flatten().map(|name| format!(" {name}"));
            let names = names.collect::<String>();
            session.output.say(&format!("Older: kiln deployments{names} --before {}", last.id));
        }
        Ok(Exit::Done)
    }
}
