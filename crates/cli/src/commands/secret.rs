//! `kiln secret`: what an application must know and nobody else may.

mod ask;
pub mod list;
pub mod remove;
pub mod set;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Secrets: values that only instances get to see
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Secret {
    Set(set::Set),
    List(list::List),
    Remove(remove::Remove),
}

impl Secret {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Set(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Remove(command) => command.run(session).await,
        }
    }
}
