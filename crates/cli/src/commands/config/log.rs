//! `kiln config log`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::table::Table;
use kiln_protocol::Exit;

/// List the commits of a configuration, the newest first
///
/// Example:
///
///   kiln config log hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Log {
    #[command(flatten)]
    target: Target,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
}

impl Log {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let commits = session.client.config_log(app, env, self.limit).await?;
        session.output.list(&commits, |commits| {
            let mut table = Table::new(["COMMIT", "TIME", "AUTHOR", "MESSAGE"]);
            for commit in commits {
                let message = commit.message.lines().next().unwrap_or("").to_owned();
                let time = commit.time.to_string();
                table.row([commit.commit.short(), time, commit.author.clone(), message]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
