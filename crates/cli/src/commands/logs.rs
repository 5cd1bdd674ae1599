//! `kiln logs`.

use crate::CliError;
use crate::commands::Target;
use crate::output::{Form, print};
use crate::session::Session;
use crate::words::clean;
use futures_util::StreamExt as _;
use kiln_client::LogQuery;
use kiln_names::{GroupName, InstanceId};
use kiln_protocol::Exit;
use kiln_protocol::status::LogLine;
use std::collections::BTreeSet;

/// Print log lines of instances
///
/// Example:
///
///   kiln logs hello prod -f
///   kiln logs hello prod --instance 0123456789ab --tail 1000
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Logs {
    #[command(flatten)]
    target: Target,
    /// Go on with lines as they come
    #[arg(short, long)]
    follow: bool,
    /// Only this group's
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// Only this instance's
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<InstanceId>,
    /// How many of each instance's last lines to begin with
    #[arg(long, value_name = "N", default_value_t = 100)]
    tail: u32,
}

impl Logs {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Self { target: Target { app, env }, follow, group, instance, tail } = self;
        let alone = instance.is_some();
        let query = LogQuery { group, instance, tail, follow };
        let mut shown = BTreeSet::new();
        let mut lines = session.client.logs(&app, &env, &query).await?;
        while let Some(line) = lines.next().await {
            let line = line?;
            shown.insert(line.instance);
            match session.output.form {
                Form::Json => session.output.data(&line, |_| String::new())?,
                Form::Text => print(&words(&line, alone))?,
            }
        }
        shown.extend(query.instance);
        for instance in session.client.instances_and_ended(&app, &env).await? {
            if let Some(exit) = instance.exit.filter(|_| shown.contains(&instance.id)) {
                session.output.say(&format!("Instance {} ended: {}.", instance.id, clean(&exit)));
            }
        }
        Ok(Exit::Done)
    }
}

/// The line, and unless only one instance was asked for, who wrote it.
fn words(line: &LogLine, alone: bool) -> String {
    let text = visible(&line.text);
    if alone { format!("{text}\n") } else { format!("{} {} | {text}\n", line.group, line.instance) }
}

/// A service's line may hold anything; what would command the terminal is taken out, tabs stay.
fn visible(text: &str) -> String {
    text.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}
