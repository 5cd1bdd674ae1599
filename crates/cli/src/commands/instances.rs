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
            let head = ["ID", "SLOT", "STATE", "ADDRESS", "MEMORY", "LAST CHECK"];
            let mut table = Table::new(head);
            for instance in instances {
                table.row(row(&self.target, instance));
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}

fn row(target: &Target, instance: &Instance) -> [String; 6] {
    [
        instance.id.to_string(),
        slot(target, instance),
        instance.state.clone(),
        or_dash(instance.address.as_ref()),
        or_dash(instance.memory.map(|memory| size(memory.0))),
        or_dash(instance.exit.as_ref().or(instance.last_check.as_ref())),
    ]
}

/// `web-v003.0`: the group's name without what was asked for, and the instance's place in it.
fn slot(Target { app, env }: &Target, instance: &Instance) -> String {
    let group = instance.group.as_str();
    let short = group.strip_prefix(&format!("{app}-{env}-")).unwrap_or(group);
    format!("{short}.{}", instance.slot)
}
