//! `kiln image gc`.

use crate::CliError;
use crate::session::Session;
use crate::words::{count, size};
use kiln_names::Span;
use kiln_protocol::Exit;

/// Remove images that nothing needs any more, and free their space
///
/// What runs, what a rollback can lead to, bases, and the newest image of each
/// application stay.
///
/// Example:
///
///   kiln image gc --older 7d
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Gc {
    /// Only images baked longer ago than this
    #[arg(long, value_name = "SPAN", default_value = "1d")]
    older: Span,
}

impl Gc {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let collected = session.client.collect_images(Some(self.older)).await?;
        session.output.data(&collected, |collected| {
            let removed = usize::try_from(collected.removed).unwrap_or(usize::MAX);
            format!("Removed {}, {} freed.", count(removed, "item"), size(collected.bytes))
        })?;
        Ok(Exit::Done)
    }
}
