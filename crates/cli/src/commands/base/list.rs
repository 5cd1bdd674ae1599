//! `kiln base list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use crate::words::size;
use kiln_protocol::Exit;

/// List the bases
///
/// Example:
///
///   kiln base list
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let bases = session.client.bases().await?;
        if bases.is_empty() {
            session.output.say("There are no bases yet: kiln base bake NAME --debootstrap SUITE");
        }
        session.output.list(&bases, |bases| {
            let mut table = Table::new(["NAME", "IMAGE", "SIZE", "BAKED"]);
            for base in bases {
                let (image, baked) = (base.image.short(), base.baked.to_string());
                table.row([base.name.to_string(), image, size(base.bytes), baked]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
