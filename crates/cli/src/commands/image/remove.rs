//! `kiln image remove`.

use crate::CliError;
use crate::session::Session;
use kiln_names::ImageRef;
use kiln_protocol::Exit;

/// Remove an image that nothing uses, with its names
///
/// The space is freed by the next `kiln image gc`.
///
/// Example:
///
///   kiln image remove hello:3.14
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    /// A digest, an unambiguous prefix of one, or APP:VERSION
    pub image: ImageRef,
}

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        session.client.remove_image(&self.image).await?;
        let removed = serde_json::json!({ "removed": self.image });
        session.output.data(&removed, |_| format!("Removed image {}.", self.image))?;
        Ok(Exit::Done)
    }
}
