//! `kiln base bake`.

use crate::CliError;
use crate::archive::Archive;
use crate::commands::image::import::Choice;
use crate::context::blob;
use crate::progress::Progress;
use crate::session::Session;
use crate::steps::Steps;
use futures_util::StreamExt as _;
use kiln_names::BaseName;
use kiln_protocol::Exit;
use kiln_protocol::bake::{BaseEvent, NewBase};
use std::path::PathBuf;

/// Bake a base from packages, a root file system, or another tool's image
///
/// The image for --oci is an OCI layout in a tar or as a directory, or what docker
/// save wrote. Of an image in a registry make one with skopeo.
///
/// Example:
///
///   kiln base bake debian-12 --debootstrap bookworm --include python3,nginx
///   kiln base bake tiny --rootfs rootfs.tar
///   skopeo copy docker://alpine:3 oci-archive:alpine.tar
///   kiln base bake alpine --oci alpine.tar
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    override_usage = "kiln base bake <NAME> <--debootstrap SUITE|--rootfs FILE|--oci PATH>"
)]
pub struct Bake {
    /// Its name, as recipes write it
    pub name: BaseName,
    /// Debian's or Ubuntu's packages, of this suite
    #[arg(long, value_name = "SUITE", required_unless_present_any = ["rootfs", "oci"])]
    pub debootstrap: Option<String>,
    /// Packages besides the essential ones
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "debootstrap")]
    pub include: Vec<String>,
    /// A tar archive of a whole root file system
    #[arg(long, value_name = "FILE.tar", conflicts_with = "debootstrap")]
    pub rootfs: Option<PathBuf>,
    /// An image that another tool made
    #[arg(long, value_name = "PATH", conflicts_with_all = ["debootstrap", "rootfs"])]
    pub oci: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

impl Bake {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        if self.choice.is_made() && self.oci.is_none() {
            return Err(CliError::new(Exit::Usage, "--name and --platform go with --oci"));
        }
        let file = self.oci.as_ref().or(self.rootfs.as_ref());
        let mut reading = Progress::new(session.output);
        let archive = file.map(|file| Archive::open(file, &mut reading)).transpose()?;
        drop(reading);
        let new = match (&archive, self.debootstrap) {
            (Some(archive), _) if self.oci.is_some() => {
                NewBase::Oci { archive: archive.digest(), choice: self.choice.into() }
            }
            (Some(archive), _) => NewBase::Rootfs { archive: archive.digest() },
            (None, Some(suite)) => NewBase::Debootstrap { suite, include: self.include },
            (None, None) => return Err(CliError::internal("a base from nothing")),
        };
        let mut events = match session.client.bake_base(&self.name, &new).await {
            Err(error) if blob::missing(&error).is_some() => {
                if let Some(archive) = &archive {
                    archive.send(&session.client, Progress::new(session.output)).await?;
                }
                session.client.bake_base(&self.name, &new).await?
            }
            answer => answer?,
        };
        let mut steps = Steps::new(session.output);
        while let Some(event) = events.next().await {
            match event? {
                BaseEvent::Step { step } => steps.begin(step),
                BaseEvent::Output { line } => steps.says(&line),
                BaseEvent::Baked(base) => {
                    steps.end();
                    drop(steps);
                    let size = crate::words::size(base.bytes);
                    session.output.say(&format!("Baked base {}, {size}.", base.name));
                    session.output.data(&base, |base| base.image.to_string())?;
                    return Ok(Exit::Done);
                }
            }
        }
        Err(CliError::internal("the bake ended without a word"))
    }
}
