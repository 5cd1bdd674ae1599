//! `kiln config`: how applications run in environments.

pub mod check;
pub mod log;
pub mod put;
pub mod show;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Configuration: how an application runs in an environment
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Config {
    Log(log::Log),
    Show(show::Show),
    Check(check::Check),
    Put(put::Put),
}

impl Config {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Log(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Check(command) => command.run(session).await,
            Self::Put(command) => command.run(session).await,
        }
    }
}
