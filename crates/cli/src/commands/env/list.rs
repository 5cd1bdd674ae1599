//! `kiln env list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use kiln_protocol::Exit;

/// List the environments
///
/// Example:
///
///   kiln env list
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let envs = session.client.envs().await?;
        if envs.is_empty() {
            session.output.say("There are no environments yet: kiln env create NAME");
        }
        session.output.list(&envs, |envs| {
            let mut table = Table::new(["NAME", "ENGINE", "CREATED"]);
            for env in envs {
                table.row([env.name.to_string(), env.engine.clone(), env.created.to_string()]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
