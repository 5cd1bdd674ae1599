//! `kiln instances`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::table::Table;
use crate::words::{clean, or_dash, size};
use kiln_names::ByteSize;
use kiln_protocol::Exit;
use kiln_protocol::status::Instance;

/// List the instances of an application in an environment
///
/// Example:
///
///   kiln instances hello prod
///   kiln instances hello prod --ended
///
/// MEMORY is what an instance uses now, PEAK the most it ever used as the kernel
/// counts, LIMIT what it may use. Caches of files and /tmp count.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Instances {
    #[command(flatten)]
    target: Target,
    /// Also those that ended, the latest first
    #[arg(long)]
    ended: bool,
}

impl Instances {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let instances = match self.ended {
            true => session.client.instances_and_ended(app, env).await?,
            false => session.client.instances(app, env).await?,
        };
        if instances.is_empty() {
            session.output.say(&format!("{app} has no instances in {env}."));
        }
        session.output.list(&instances, |instances| {
            let head = ["ID", "SLOT", "STATE", "ADDRESS", "MEMORY", "PEAK", "LIMIT"];
            let mut table = Table::new(head);
            for instance in instances {
                table.row(row(&self.target, instance));
            }
            table.text() + &instances.iter().map(remark).collect::<String>()
        })?;
        Ok(Exit::Done)
    }
}

fn row(target: &Target, instance: &Instance) -> [String; 7] {
    let memory = |bytes: Option<ByteSize>| or_dash(bytes.map(|bytes| size(bytes.0)));
    [
        instance.id.to_string(),
        slot(target, instance),
        instance.state.clone(),
        or_dash(instance.address.as_ref()),
        memory(instance.memory),
        memory(instance.memory_peak),
        or_dash(instance.memory_limit),
    ]
}

/// How it ended, or what its check says: too long for a column.
fn remark(instance: &Instance) -> String {
    let said = instance.exit.as_ref().or(instance.last_check.as_ref());
    said.map_or_else(String::new, |said| format!("{}  {}\n", instance.id, clean(said)))
}

/// `web-v003.0`: the group's name without what was asked for, and the instance's place in it.
fn slot(Target { app, env }: &Target, instance: &Instance) -> String {
    let group = instance.group.as_str();
    let short = group.strip_prefix(&format!("{app}-{env}-")).unwrap_or(group);
    format!("{short}.{}", instance.slot)
}
