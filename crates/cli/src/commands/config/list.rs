//! `kiln config list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use kiln_protocol::Exit;

/// List the applications and environments that have configuration
///
/// Each with its newest commit.
///
/// Example:
///
///   kiln config list
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let configured = session.client.configured().await?;
        session.output.list(&configured, |configured| {
            let mut table = Table::new(["APP", "ENV", "COMMIT", "TIME", "AUTHOR", "MESSAGE"]);
            for one in configured {
                let (app, env, newest) = (one.app.to_string(), one.env.to_string(), &one.newest);
                let message = newest.message.lines().next().unwrap_or("").to_owned();
                let (commit, time) = (newest.commit.short(), newest.time.to_string());
                table.row([app, env, commit, time, newest.author.clone(), message]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
