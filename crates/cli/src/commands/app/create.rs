//! `kiln app create`.

use crate::CliError;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;
use kiln_protocol::catalog::NewApp;

/// Create an application
///
/// Example:
///
///   kiln app create hello --contact team@example.com
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Create {
    /// Its name: a letter, then letters, digits and hyphens
    pub name: AppName,
    /// Who answers for it
    #[arg(long, value_name = "EMAIL")]
    pub contact: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let new = NewApp { name: self.name, contact: self.contact };
        let app = session.client.create_app(&new).await?;
        session.output.data(&app, |app| format!("Created application {}.", app.name))?;
        Ok(Exit::Done)
    }
}
