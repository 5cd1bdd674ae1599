//! `kiln base bake`.

use crate::CliError;
use crate::context::blob::{self, Blob};
use crate::progress::Progress;
use crate::session::Session;
use futures_util::StreamExt as _;
use kiln_names::BaseName;
use kiln_protocol::Exit;
use kiln_protocol::bake::{Base, BaseEvent, NewBase};
use std::path::PathBuf;
use std::time::Instant;

/// Bake a base from a distribution's packages, or from a root file system
///
/// Example:
///
///   kiln base bake debian-12 --debootstrap bookworm --include python3,nginx
///   kiln base bake tiny --rootfs rootfs.tar
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    override_usage = "kiln base bake [OPTIONS] <--debootstrap SUITE|--rootfs FILE.tar> <NAME>"
)]
pub struct Bake {
    /// Its name, as recipes write it
    pub name: BaseName,
    /// Debian's or Ubuntu's packages, of this suite
    #[arg(long, value_name = "SUITE", required_unless_present = "rootfs")]
    pub debootstrap: Option<String>,
    /// Packages besides the essential ones
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "debootstrap")]
    pub include: Vec<String>,
    /// A tar archive of a whole root file system
    #[arg(long, value_name = "FILE.tar", conflicts_with = "debootstrap")]
    pub rootfs: Option<PathBuf>,
}

impl Bake {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let archive = self.rootfs.as_deref().map(Blob::of_file).transpose()?;
        let new = match (&archive, self.debootstrap) {
            (Some(archive), _) => NewBase::Rootfs { archive: archive.digest },
            (None, Some(suite)) => NewBase::Debootstrap { suite, include: self.include },
            (None, None) => return Err(CliError::internal("a base from nothing")),
        };
        let mut events = match session.client.bake_base(&self.name, &new).await {
            Err(error) if blob::missing(&error).is_some() => {
                if let Some(archive) = &archive {
                    archive.send(&session.client).await?;
                }
                session.client.bake_base(&self.name, &new).await?
            }
            answer => answer?,
        };
        let mut course = Course { progress: Progress::new(session.output), step: None };
        while let Some(event) = events.next().await {
            if let Some(base) = course.take(event?) {
                drop(course);
                let size = crate::words::size(base.bytes);
                session.output.say(&format!("Baked base {}, {size}.", base.name));
                session.output.data(&base, |base| base.image.to_string())?;
                return Ok(Exit::Done);
            }
        }
        Err(CliError::internal("the bake ended without a word"))
    }
}

/// The step that is under way, and since when.
struct Course {
    progress: Progress,
    step: Option<(String, Instant)>,
}

impl Course {
    fn take(&mut self, event: BaseEvent) -> Option<Base> {
        match event {
            BaseEvent::Step { step } => {
                self.end_step();
                self.progress.passing(&step, "");
                self.step = Some((step, Instant::now()));
                None
            }
            BaseEvent::Output { line } => {
                let step = self.step.as_ref().map_or("", |(step, _)| step);
                self.progress.passing(step, &line);
                None
            }
            BaseEvent::Baked(base) => {
                self.end_step();
                Some(base)
            }
        }
    }

    fn end_step(&mut self) {
        if let Some((step, began)) = self.step.take() {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.progress.done(&step, "", took);
        }
    }
}
