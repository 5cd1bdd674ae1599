//! `kiln plan`.

use crate::CliError;
use crate::commands::Target;
use crate::differences::differences;
use crate::session::Session;
use crate::words::{clean, count, or_dash};
use kiln_names::{ImageRef, ReleaseId};
use kiln_protocol::Exit;
use kiln_protocol::deployment::{DeployRequest, Plan as Planned, PlannedAction, RollbackRequest};

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
    /// What `kiln rollback` would do; --release says to which release
    #[arg(long, conflicts_with_all = ["image", "config"])]
    rollback: bool,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let (image, config, release) = (self.image, self.config, self.release);
        let plan = if self.rollback {
            let request = RollbackRequest { to: release, ..RollbackRequest::default() };
            session.client.plan_rollback(app, env, &request).await?
        } else {
            let request = DeployRequest { image, config, release, ..DeployRequest::default() };
            session.client.plan(app, env, &request).await?
        };
        session.output.data(&plan, words)?;
        Ok(Exit::Done)
    }
}

fn words(plan: &Planned) -> String {
    let short = |release: &Option<ReleaseId>| or_dash(release.map(|release| release.short()));
    let mut text = format!("{} in {}\n", plan.app, plan.env);
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<8}  {value}\n"));
    };
    line("from", &short(&plan.from));
    line("release", &short(&plan.release));
    line("image", &or_dash(plan.image.map(|image| image.short())));
    line("version", &or_dash(plan.version.as_ref()));
    line("config", &or_dash(plan.config.map(|commit| commit.short())));
    for group in &plan.groups {
        let routes: String = group.routes.iter().map(|route| format!(", {route}")).collect();
        let size = count(group.size as usize, "instance");
        line("group", &format!("{}: {size}{routes}", group.process));
    }
    for note in &plan.notes {
        line("note", &clean(note));
    }
    text.push_str(&format!("\n{}", differences(&plan.differences)));
    text.push_str("\nIt would\n");
    for PlannedAction { phase, name, description } in &plan.actions {
        text.push_str(&format!("  {phase:<8}  {name:<18}  {description}\n"));
    }
    text
}
