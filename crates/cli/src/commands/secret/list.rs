//! `kiln secret list`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::table::Table;
use kiln_protocol::Exit;

/// List the secrets that the next deployment has, never their values
///
/// Example:
///
///   kiln secret list hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    target: Target,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let secrets = session.client.secrets(app, env).await?;
        session.output.list(&secrets, |secrets| {
            let mut table = Table::new(["NAME", "VERSION", "SINCE", "BY"]);
            for secret in secrets {
                let (name, version) = (secret.name.to_string(), secret.version.to_string());
                table.row([name, version, secret.since.to_string(), secret.by.clone()]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
