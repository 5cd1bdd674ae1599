//! `kiln plan`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::words::count;
use kiln_names::ImageRef;
use kiln_protocol::Exit;
use kiln_protocol::deployment::{DeployRequest, Difference, Plan as Planned};

/// Show what a deployment would do, and change nothing
///
/// Example:
///
///   kiln plan hello prod hello:3.14
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Plan {
    #[command(flatten)]
    target: Target,
    /// A digest, a prefix of one, or APP:VERSION; the newest bake unless given
    image: Option<ImageRef>,
    /// A commit of the configuration; the newest unless given
    #[arg(long, value_name = "COMMIT")]
    config: Option<String>,
    /// A release that was deployed before
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["image", "config"])]
    release: Option<String>,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let (image, config, release) = (self.image, self.config, self.release);
        let request = DeployRequest { image, config, release, ..DeployRequest::default() };
        let plan = session.client.plan(app, env, &request).await?;
        session.output.data(&plan, words)?;
        Ok(Exit::Done)
    }
}

fn words(plan: &Planned) -> String {
    let mut text = format!("{} {}: {}", plan.app, plan.env, plan.release.short());
    match &plan.from {
        Some(from) => text.push_str(&format!(", from {}\n", from.short())),
        None => text.push_str(", the first\n"),
    }
    let version = plan.version.as_deref().unwrap_or("no version");
    text.push_str(&format!("  image     {} ({version})\n", plan.image.short()));
    text.push_str(&format!("  config    {}\n", plan.config.short()));
    text.push_str(&format!("  strategy  {}\n", plan.strategy));
    for group in &plan.groups {
        let size = count(group.size as usize, "instance");
        let routes: Vec<_> = group.routes.iter().map(ToString::to_string).collect();
        let line = format!("  {}  {size}  {}", group.process, routes.join(" "));
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text.push_str(&differences(&plan.differences));
    text.push_str("\nIt would\n");
    for action in &plan.actions {
        text.push_str(&format!("  {:<8} {}\n", action.phase, action.description));
    }
    text
}

fn differences(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "\nNothing differs.\n".to_owned();
    }
    let mut text = "\nIt differs in\n".to_owned();
    for Difference { kind, name, old, new } in differences {
        let change = match (old, new) {
            (Some(old), Some(new)) => format!("{name}: {old} -> {new}"),
            (None, Some(new)) => format!("{name}: {new} (new)"),
            (Some(old), None) => format!("{name}: {old} (gone)"),
            (None, None) => name.clone(),
        };
        text.push_str(&format!("  {kind:<14} {change}\n"));
    }
    text
}
