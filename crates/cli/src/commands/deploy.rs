//! `kiln deploy`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow;
use crate::outcome::conclude;
use crate::session::Session;
use kiln_names::{AppName, ImageRef};
use kiln_protocol::Exit;
use kiln_protocol::deployment::DeployRequest;

/// Deploy an image with its configuration
///
/// Waits until the new instances serve, or everything is as before.
///
/// Example:
///
///   kiln deploy hello prod hello:3.14 -m "the new greeting"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Deploy {
    #[command(flatten)]
    target: Target,
    /// A digest, a prefix of one, or APP:VERSION; the newest bake unless given
    image: Option<ImageRef>,
    /// Why
    #[arg(short, long, value_name = "MSG")]
    message: String,
    /// A commit of the configuration; the newest unless given
    #[arg(long, value_name = "COMMIT")]
    config: Option<String>,
    /// A release that was deployed before
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["image", "config"])]
    release: Option<String>,
    /// On failure stop and touch nothing, instead of undoing
    #[arg(long)]
    hold: bool,
    /// Print the deployment's id and do not wait for it
    #[arg(long)]
    detach: bool,
}

impl Deploy {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let image = match (self.image, &self.release) {
            (None, None) => newest(session, app).await?,
            (image, _) => image,
        };
        let (config, release, message, hold) = (self.config, self.release, self.message, self.hold);
        let request = DeployRequest { image, config, release, message, hold };
        let deployment = session.client.deploy(app, env, &request).await?;
        if self.detach {
            session.output.data(&deployment, |deployment| deployment.id.to_string())?;
            return Ok(Exit::Done);
        }
        conclude(session, &follow(session, &deployment).await?)
    }
}

/// The newest bake, announced; the server says what is wrong when there is none.
async fn newest(session: &Session, app: &AppName) -> Result<Option<ImageRef>, CliError> {
    let images = session.client.images(Some(app)).await?;
    let Some(image) = images.first() else { return Ok(None) };
    let short = image.image.short();
    let name = image.versions.first().unwrap_or(&short);
    session.output.say(&format!("Deploying {name}, the newest bake."));
    Ok(Some(ImageRef::Digest(image.image)))
}
