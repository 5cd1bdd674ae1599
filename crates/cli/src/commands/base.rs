//! `kiln base`: images that others are built on.

pub mod bake;
pub mod list;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Bases: images that hold what all images share
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Base {
    Bake(Box<bake::Bake>),
    List(list::List),
}

impl Base {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Bake(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
        }
    }
}
