//! `kiln image`: what bakes yield.

pub mod diff;
pub mod export;
pub mod gc;
pub mod import;
pub mod list;
pub mod remove;
pub mod show;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;

/// Images: what bakes yield
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Image {
    List(list::List),
    Show(show::Show),
    Diff(diff::Diff),
    Export(export::Export),
    Import(import::Import),
    Remove(remove::Remove),
    Gc(gc::Gc),
}

impl Image {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Diff(command) => command.run(session).await,
            Self::Export(command) => command.run(session).await,
            Self::Import(command) => command.run(session).await,
            Self::Remove(command) => command.run(session).await,
            Self::Gc(command) => command.run(session).await,
        }
    }
}
