//! Recipes: what `kiln.toml` says about baking an image and running it, checked without any I/O.

mod capability;
mod command_line;
mod image_process;
mod limits;
mod package;
mod path;
mod pattern;
mod processes;
mod read;
mod stop;
mod user;

pub use capability::Capability;
pub use command_line::{CommandLine, split_words};
pub use image_process::{ImageProcess, InvalidLabel, labels};
pub use limits::*;
pub use package::Package;
pub use path::{AbsolutePath, ContextPath};
pub use pattern::{FilePattern, NamePattern};
pub use processes::Processes;
pub use stop::{Signal, Stop};
pub use user::User;

use crate::document::Mistake;
use kiln_names::{AppName, BaseName};
pub(crate) use read::is_services_own;
use serde::Serialize;
use std::num::NonZeroU16;

/// The name of the file, at the root of the service's own repository.
pub const FILE: &str = "kiln.toml";

/// A whole recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// The application that the image is of.
    pub app: AppName,
    /// How the image is baked.
    pub image: ImageSection,
    /// How it is run; at least one way.
    pub processes: Processes<Process>,
}

/// How an image is baked: one layer for each list that is not empty, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageSection {
    /// The image that it is built on.
    pub base: BaseName,
    /// The distribution's packages, for the base's package manager.
    pub packages: Vec<Package>,
    /// Package files of the service's directory, for the same package manager.
    pub install: Vec<FilePattern>,
    /// Provisioning commands, each for a shell.
    pub run: Vec<String>,
    /// Files of the service's directory.
    pub copy: Vec<Copy>,
}

/// Files that go from the service's directory into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// A file, or a directory whose content is meant.
    pub from: ContextPath,
    /// Where it goes.
    pub to: AbsolutePath,
    /// Whether `to` was written with a slash at its end: a file keeps its name and goes inside.
    pub into_directory: bool,
}

/// One way to run the image, as the recipe has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// The program, by its whole path, and its arguments.
    pub command: Vec<String>,
    /// The port that it listens on.
    pub port: Option<NonZeroU16>,
    /// Who it runs as; [`User::NOBODY`] unless told.
    pub user: Option<User>,
    /// Directories that it may write to, besides `/tmp`; no other is.
    pub writable: Vec<AbsolutePath>,
    /// What root keeps of its powers; empty for every other user.
    pub capabilities: Vec<Capability>,
    /// How it is asked to stop.
    pub stop: Stop,
}

impl Recipe {
    /// Reads and checks the text of a `kiln.toml`.
    ///
    /// # Errors
    /// The first [`Mistake`] in it, with its line and column.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        read::recipe(text)
    }
}

impl Process {
    /// This process as it stands in the image, its user looked up there.
    #[must_use]
    pub fn resolved(&self, uid: u32, gid: u32) -> ImageProcess {
        ImageProcess {
            command: self.command.clone(),
            port: self.port,
            uid,
            gid,
            writable: self.writable.clone(),
            capabilities: self.capabilities.clone(),
            stop: self.stop,
            working_dir: None,
        }
    }
}

#[cfg(test)]
mod tests;
