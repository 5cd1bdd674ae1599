//! `kiln config`: how applications run in environments.

pub mod check;
pub mod diff;
pub mod list;
pub mod log;
pub mod put;
pub mod show;
pub mod url;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Configuration: how an application runs in an environment
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Config {
    Url(url::Url),
    List(list::List),
    Log(log::Log),
    Show(show::Show),
    Diff(diff::Diff),
    Check(check::Check),
    Put(put::Put),
}

impl Config {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Url(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Diff(command) => command.run(session).await,
            Self::Log(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Check(command) => command.run(session).await,
            Self::Put(command) => command.run(session).await,
        }
    }
}
