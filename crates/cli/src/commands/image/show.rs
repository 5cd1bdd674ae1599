//! `kiln image show`.

use crate::CliError;
use crate::session::Session;
use crate::words::{or_dash, size};
use kiln_names::ImageRef;
use kiln_protocol::Exit;
use kiln_protocol::image::Image;

/// Show an image: its names, layers and processes
///
/// Example:
///
///   kiln image show hello:3.14
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// A digest, an unambiguous prefix of one, or APP:VERSION
    pub image: ImageRef,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.output.data(&session.client.image(&self.image).await?, words)?;
        Ok(Exit::Done)
    }
}

fn words(image: &Image) -> String {
    let mut text = format!("{}\n", image.image);
    text.push_str(&format!("  baked     {}\n", image.baked));
    text.push_str(&format!("  platform  {}\n", image.architecture));
    text.push_str(&format!("  versions  {}\n", image.versions.join(" ")));
    if image.foreign {
        text.push_str("  foreign   starts without kiln-init: its environment is all it gets\n");
    }
    for process in &image.processes {
        let (name, port) = (&process.name, or_dash(process.port));
        let command = process.command.join(" ");
        text.push_str(&format!(
            "  process   {name}, port {port}, user {}: {command}\n",
            process.user
        ));
    }
    for layer in &image.layers {
        let step = layer.step.as_deref().unwrap_or("base");
        let digest = layer.diff_id.short();
        text.push_str(&format!("  layer     {digest}  {:>10}  {step}\n", size(layer.bytes)));
    }
    text
}
