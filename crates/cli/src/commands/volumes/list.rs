//! `kiln volumes list`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::table::Table;
use crate::words::or_dash;
use kiln_protocol::Exit;
use kiln_protocol::volume::Volume;

/// List what instances have kept, and which instance has it now
///
/// A volume stays when its instance goes, also after kiln stop: the next
/// instance in that slot finds it again.
///
/// Example:
///
///   kiln volumes list store prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    target: Target,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let volumes = session.client.volumes(app, env).await?;
        if volumes.is_empty() {
            session.output.say(&format!("{app} keeps nothing in {env}."));
        }
        session.output.list(&volumes, words)?;
        Ok(Exit::Done)
    }
}

fn words(volumes: &[Volume]) -> String {
    let mut table = Table::new(["VOLUME", "INSTANCE"]);
    for Volume { process, name, slot, instance } in volumes {
        table.row([format!("{process}/{name}/{slot}"), or_dash(*instance)]);
    }
    table.text()
}
