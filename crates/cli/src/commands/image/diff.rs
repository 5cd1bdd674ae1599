//! `kiln image diff`.

use crate::CliError;
use crate::differences::differences;
use crate::session::Session;
use crate::words::size;
use kiln_names::ImageRef;
use kiln_protocol::Exit;
use kiln_protocol::image::ImageDiff;

/// Show how two images differ: packages, processes, size
///
/// Example:
///
///   kiln image diff hello:3.13 hello:3.14
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    /// A digest, an unambiguous prefix of one, or APP:VERSION
    old: ImageRef,
    /// The image to compare it with
    new: ImageRef,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.output.data(&session.client.image_diff(&self.old, &self.new).await?, words)?;
        Ok(Exit::Done)
    }
}

fn words(diff: &ImageDiff) -> String {
    let (old, new) = (size(diff.bytes_only_in_old), size(diff.bytes_only_in_new));
    let layers = format!("Layers only in the first: {old}, only in the second: {new}.\n");
    layers + &differences(&diff.differences)
}
