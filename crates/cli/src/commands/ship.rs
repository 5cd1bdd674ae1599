//! `kiln ship`.

use crate::CliError;
use crate::baking::{self, Name, Order, Source};
use crate::commands::Target;
use crate::follow::follow;
use crate::outcome::{advise, failure};
use crate::output::Form;
use crate::session::Session;
use kiln_names::ImageRef;
use kiln_protocol::Exit;
use kiln_protocol::bake::Baked;
use kiln_protocol::deployment::{DeployRequest, Deployment};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Bake and deploy what is in a directory
///
/// The version is named by the day and a number.
///
/// Example:
///
///   kiln ship hello prod -m "the new greeting"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Ship {
    #[command(flatten)]
    target: Target,
    /// The directory of kiln.toml
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Why
    #[arg(short, long, value_name = "MSG")]
    message: String,
}

/// What was shipped: the line that `--json` prints.
#[derive(Debug, Serialize)]
struct Shipped {
    baked: Baked,
    deployment: Deployment,
    seconds: f64,
}

impl Ship {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let began = Instant::now();
        let Target { app, env } = self.target;
        // A mistyped name is told before the minutes that a bake may take.
        session.client.app(&app).await?;
        session.client.env(&env).await?;
        let source = Source::Directory(self.dir);
        let order =
            Order { app: app.clone(), name: Name::Dated, source, base: None, refresh: false };
        let baked = baking::bake(session, order).await?;
        let bake_took = began.elapsed();
        let image = Some(ImageRef::Digest(baked.image));
        let request = DeployRequest { image, message: self.message, ..DeployRequest::default() };
        let deployment = session.client.deploy(&app, &env, &request).await?;
        let deployment = follow(session, &deployment).await?;
        let exit = deployment.state.exit().unwrap_or(Exit::Done);
        if exit != Exit::Done && session.output.form == Form::Text {
            return Err(failure(&deployment, exit));
        }
        let all = began.elapsed();
        let shipped = Shipped { baked, deployment, seconds: all.as_secs_f64() };
        session.output.data(&shipped, |Shipped { baked, .. }| {
            let (bake, deploy) = (bake_took.as_secs_f64(), (all - bake_took).as_secs_f64());
            let (name, all) = (baked.name(), all.as_secs_f64());
            format!(
                "{name} serves in {env}: baked in {bake:.2} s, deployed in {deploy:.2} s, {all:.2} s in all."
            )
        })?;
        advise(session, &shipped.deployment);
        Ok(exit)
    }
}
