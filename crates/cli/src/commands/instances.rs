//! `kiln instances`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::table::Table;
use crate::words::{or_dash, size};
use kiln_protocol::Exit;
use kiln_protocol::status::Instance;

/// List the instances of an application in an environment
///
/// Example:
///
///   kiln instances hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Instances {
    #[command(flatten)]
    target: Target,
}

impl Instances {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let instances = session.client.instances(app, env).await?;
        if instances.is_empty() {
            session.output.say(&format!("{app} has no instances in {env}."));
        }
        session.output.list(&instances, |instances| {
            let head = ["ID", "GROUP", "SLOT", "STATE", "ADDRESS", "MEMORY", "LAST CHECK"];
            let mut table = Table::new(head);
            for instance in instances {
                table.row(row(instance));
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}

fn row(instance: &Instance) -> [String; 7] {
    [
        instance.id.to_string(),
        instance.group.to_string(),
        instance.slot.to_string(),
        instance.state.clone(),
        or_dash(instance.address.as_ref()),
        or_dash(instance.memory.map(|memory| size(memory.0))),
        or_dash(instance.exit.as_ref().or(instance.last_check.as_ref())),
    ]
}
