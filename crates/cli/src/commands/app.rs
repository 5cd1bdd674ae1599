//! `kiln app`: the catalog's applications.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod set;
pub mod show;
pub mod unset;

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::catalog::App as Application;

/// Applications: what can be baked and deployed
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum App {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Delete(delete::Delete),
    Set(set::Set),
    Get(get::Get),
    Unset(unset::Unset),
}

impl App {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Set(command) => command.run(session).await,
            Self::Get(command) => command.run(session).await,
            Self::Unset(command) => command.run(session).await,
        }
    }
}

/// An application, one line for each thing known about it.
fn words(app: &Application) -> String {
    let mut text = format!("{}\n", app.name);
    text.push_str(&format!("  created  {}\n", app.created));
    for (key, value) in &app.metadata {
        text.push_str(&format!("  {key} = {value}\n"));
    }
    text
}
