//! `kiln app list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use crate::words::or_dash;
use kiln_protocol::Exit;

/// List the applications
///
/// Example:
///
///   kiln app list
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let apps = session.client.apps().await?;
        if apps.is_empty() {
            session.output.say("There are no applications yet: kiln app create NAME");
        }
        session.output.list(&apps, |apps| {
            let mut table = Table::new(["NAME", "CONTACT", "CREATED"]);
            for app in apps {
                let contact =
                    or_dash(app.metadata.get("contact").and_then(|contact| contact.as_str()));
                table.row([app.name.to_string(), contact, app.created.to_string()]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
