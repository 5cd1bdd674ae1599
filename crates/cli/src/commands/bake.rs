//! `kiln bake`.

use crate::CliError;
use crate::baking::{self, Name, Order, Source};
use crate::session::Session;
use crate::words::count;
use kiln_names::{AppName, BaseName, Version};
use kiln_protocol::Exit;
use kiln_protocol::bake::{Baked, PackagedService};
use kiln_protocol::recipe::{CommandLine, User};
use std::num::NonZeroU16;
use std::path::PathBuf;

/// Bake the service of a directory, or packages, into an image
///
/// The directory's kiln.toml says how. Only what it copies and installs is sent,
/// and of that only what the server lacks. The image's digest is printed.
///
/// With --package no kiln.toml is read: the package files are installed on the
/// base with all that they depend on, and their systemd unit says what to run.
/// Where it says what Kiln does not understand, --command does.
///
/// Example:
///
///   kiln bake hello 3.14 --dir ~/src/hello
///
///   kiln bake hello 3.14 --package hello_3.14_all.deb --base debian-12 --port 8080
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Bake {
    /// The application
    pub app: AppName,
    /// The name for the image; set once
    pub version: Version,
    /// The directory of kiln.toml
    #[arg(long, default_value = ".", conflicts_with = "package")]
    pub dir: PathBuf,
    /// Bake on this base instead of the recipe's
    #[arg(long, value_name = "NAME")]
    pub base: Option<BaseName>,
    /// A package file to bake without a recipe; may be repeated
    #[arg(long, value_name = "FILE", requires = "base")]
    pub package: Vec<PathBuf>,
    #[command(flatten)]
    service: Service,
    /// Resolve the packages again
    #[arg(long)]
    pub refresh: bool,
}

/// How packages are run.
#[derive(Debug, Clone, clap::Args)]
pub struct Service {
    /// The packages' systemd unit, if they have several
    #[arg(long, value_name = "NAME", requires = "package", conflicts_with = "command")]
    pub unit: Option<String>,
    /// What to run instead of a unit's program
    #[arg(long, value_name = "'PROGRAM ARGUMENT…'", requires = "package")]
    pub command: Option<CommandLine>,
    /// The port that it listens on; without one it has no route
    #[arg(long, requires = "package")]
    pub port: Option<NonZeroU16>,
    /// Who it runs as, instead of the unit's user
    #[arg(long, value_name = "NAME", requires = "package")]
    pub user: Option<User>,
}

impl Bake {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Self { app, version, dir, base, package, service, refresh } = self;
        let source = match package.is_empty() {
            true => Source::Directory(dir),
            false => {
                let Service { unit, command, port, user } = service;
                Source::Packages(package, PackagedService { unit, command, port, user })
            }
        };
        let order = Order { app, name: Name::Version(version), source, base, refresh };
        let baked = baking::bake(session, order).await?;
        session.output.say(&words(&baked));
        session.output.data(&baked, |baked| baked.image.to_string())?;
        Ok(Exit::Done)
    }
}

fn words(baked: &Baked) -> String {
    let (name, seconds) = (baked.name(), baked.seconds);
    if baked.cached {
        return format!("{name} is this image already, {seconds:.2} s.");
    }
    let new = baked.layers.iter().filter(|layer| !layer.cached).count();
    format!("Baked {name} in {seconds:.2} s, {}.", count(new, "new layer"))
}
