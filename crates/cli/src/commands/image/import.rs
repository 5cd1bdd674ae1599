//! `kiln image import`.

use crate::CliError;
use crate::archive::Archive;
use crate::context::blob;
use crate::progress::Progress;
use crate::session::Session;
use crate::steps::Steps;
use crate::words::size;
use futures_util::StreamExt as _;
use kiln_names::{AppName, Platform, Version};
use kiln_protocol::Exit;
use kiln_protocol::image::{ArchiveChoice, ImportEvent, Imported, NewImage};
use std::path::PathBuf;

/// Take in an image that another tool made
///
/// FILE is an OCI layout in a tar or as a directory, what docker save or podman
/// save wrote, or - for standard input; it may be compressed. Every digest in it
/// is checked, and the image keeps its own. An image without a name is deployed
/// by its digest, and goes with kiln image gc when nothing uses it.
///
/// Example:
///
///   skopeo copy docker://caddy:2 oci-archive:caddy.tar
///   kiln image import caddy.tar --app caddy --version 2
///   kiln app create caddy
///   kiln deploy caddy prod caddy:2 -m "from elsewhere"
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Import {
    /// The archive, or the directory of an OCI layout
    pub file: PathBuf,
    /// The application to name it for
    #[arg(long, requires = "version")]
    app: Option<AppName>,
    /// The version to name it
    #[arg(long, requires = "app")]
    version: Option<Version>,
    #[command(flatten)]
    choice: Choice,
}

/// Which image of an archive.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// The image's name in an archive that has several, or its digest
    #[arg(long = "name", value_name = "NAME")]
    called: Option<String>,
    /// Another platform than the server's, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

impl Choice {
    /// Whether one was made.
    pub(crate) const fn is_made(&self) -> bool {
        self.called.is_some() || self.platform.is_some()
    }
}

impl From<Choice> for ArchiveChoice {
    fn from(choice: Choice) -> Self {
        Self { name: choice.called, platform: choice.platform }
    }
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let archive = Archive::open(&self.file, &mut Progress::new(session.output))?;
        let Self { app, version, choice, .. } = self;
        let new = NewImage { archive: archive.digest(), choice: choice.into(), app, version };
        let mut events = match session.client.import_image(&new).await {
            Err(error) if blob::missing(&error).is_some() => {
                archive.send(&session.client, Progress::new(session.output)).await?;
                session.client.import_image(&new).await?
            }
            answer => answer?,
        };
        let mut steps = Steps::new(session.output);
        while let Some(event) = events.next().await {
            match event? {
                ImportEvent::Step { step } => steps.begin(step),
                ImportEvent::Imported(imported) => {
                    steps.end();
                    drop(steps);
                    session.output.say(&words(&imported));
                    session.output.data(&imported, |imported| imported.image.to_string())?;
                    return Ok(Exit::Done);
                }
            }
        }
        Err(CliError::internal("the import ended without a word"))
    }
}

fn words(imported: &Imported) -> String {
    let name = imported.app.as_ref().zip(imported.version.as_ref());
    let name = name.map_or_else(
        || format!("image {}", imported.image.short()),
        |(app, version)| format!("{app}:{version}"),
    );
    match imported.cached {
        true => format!("{name} was here already."),
        false => format!("Imported {name}, {}.", size(imported.bytes)),
    }
}
