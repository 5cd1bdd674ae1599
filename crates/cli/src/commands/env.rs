//! `kiln env`: where applications run.

pub mod check;
pub mod create;
pub mod delete;
pub mod list;
pub mod set;
pub mod show;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::catalog::Environment;

/// Environments: where applications run
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Env {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Check(check::Check),
    Set(set::Set),
    Delete(delete::Delete),
}

impl Env {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Check(command) => command.run(session).await,
            Self::Set(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
        }
    }
}

/// An environment, one line for each thing known about it.
fn words(env: &Environment) -> String {
    let Environment { name, engine, settings, metadata, created } = env;
    let mut text = format!("{name}\n  created  {created}\n  engine   {engine}\n");
    for (key, value) in settings.iter().chain(metadata) {
        text.push_str(&format!("  {key} = {value}\n"));
    }
    text
}
