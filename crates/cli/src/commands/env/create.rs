//! `kiln env create`.

use crate::CliError;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;
use kiln_protocol::catalog::NewEnvironment;

/// Create an environment
///
/// Example:
///
///   kiln env create prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Create {
    /// Its name: a letter, then letters and digits
    pub name: EnvName,
    /// What runs its groups
    #[arg(long, default_value = "local")]
    pub engine: String,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let new = NewEnvironment { name: self.name, engine: self.engine };
        let env = session.client.create_env(&new).await?;
        session.output.data(&env, |env| format!("Created environment {}.", env.name))?;
        Ok(Exit::Done)
    }
}
