//! `kiln volumes`: what instances keep beyond their lives.

pub mod list;
pub mod remove;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Volumes: what instances keep beyond their lives
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Volumes {
    List(list::List),
    Remove(remove::Remove),
}

impl Volumes {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Remove(command) => command.run(session).await,
        }
    }
}
