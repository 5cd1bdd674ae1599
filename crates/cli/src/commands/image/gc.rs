//! `kiln image gc`.

use crate::CliError;
use crate::session::Session;
use crate::words::{count, size};
use kiln_protocol::Exit;

/// Free the space of what no image refers to
///
/// Example:
///
///   kiln image gc
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Gc {}

impl Gc {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let collected = session.client.collect_images().await?;
        session.output.data(&collected, |collected| {
            let removed = usize::try_from(collected.removed).unwrap_or(usize::MAX);
            format!("Removed {}, {} freed.", count(removed, "item"), size(collected.bytes))
        })?;
        Ok(Exit::Done)
    }
}
