//! `kiln bake`.

use crate::CliError;
use crate::baking::{self, Order};
use crate::session::Session;
use crate::words::count;
use kiln_names::{AppName, BaseName, Version};
use kiln_protocol::Exit;
use kiln_protocol::bake::Baked;
use std::path::PathBuf;

/// Bake the service of a directory into an image
///
/// The directory's kiln.toml says how. Only what it copies is sent, and of that
/// only what the server lacks. The image's digest is printed.
///
/// Example:
///
///   kiln bake hello 3.14 --dir ~/src/hello
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Bake {
    /// The application
    pub app: AppName,
    /// The name for the image; set once
    pub version: Version,
    /// The directory of kiln.toml
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// Bake on this base instead of the recipe's
    #[arg(long, value_name = "NAME")]
    pub base: Option<BaseName>,
    /// Resolve the packages again
    #[arg(long)]
    pub refresh: bool,
}

impl Bake {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Self { app, version, dir, base, refresh } = self;
        let order = Order { app, version: Some(version), directory: dir, base, refresh };
        let baked = baking::bake(session, order).await?;
        session.output.say(&words(&baked));
        session.output.data(&baked, |baked| baked.image.to_string())?;
        Ok(Exit::Done)
    }
}

fn words(baked: &Baked) -> String {
    let Baked { app, version, seconds, .. } = baked;
    if baked.cached {
        return format!("{app}:{version} is this image already, {seconds:.2} s.");
    }
    let new = baked.layers.iter().filter(|layer| !layer.cached).count();
    format!("Baked {app}:{version} in {seconds:.2} s, {}.", count(new, "new layer"))
}
