//! `kiln image list`.

use crate::CliError;
use crate::session::Session;
use crate::table::Table;
use crate::words::size;
use kiln_names::AppName;
use kiln_protocol::Exit;

/// List the images, the newest first
///
/// Example:
///
///   kiln image list hello
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct List {
    /// Only those of this application
    pub app: Option<AppName>,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let images = session.client.images(self.app.as_ref()).await?;
        if images.is_empty() {
            session.output.say("There are no images yet: kiln bake APP VERSION");
        }
        session.output.list(&images, |images| {
            let mut table = Table::new(["IMAGE", "VERSIONS", "SIZE", "BAKED"]);
            for image in images {
                let versions = image.versions.join(" ");
                let baked = image.baked.to_string();
                table.row([image.image.short(), versions, size(image.bytes), baked]);
            }
            table.text()
        })?;
        Ok(Exit::Done)
    }
}
