//! What can go wrong with a bake.

use crate::{ContextError, UnitError};
use kiln_container::step::StepError;
use kiln_names::{AppName, BaseName, Digest, ProcessName, Version};
use kiln_protocol::document::Mistake;
use kiln_store::StoreError;

/// Why there is no image. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// The recipe is not one.
    #[error("read the recipe")]
    Recipe(#[from] Mistake),
    /// The recipe is another application's.
    #[error("bake {asked}: the recipe is of {recipe}")]
    OtherApp {
        /// What was to be baked.
        asked: AppName,
        /// What the recipe says.
        recipe: AppName,
    },
    /// What to bake is not said, or said twice.
    #[error("see what to bake: {0}")]
    Unclear(
        /// What is wanted.
        &'static str,
    ),
    /// How packages are to be run cannot be told.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// No base of that name was ever baked.
    #[error("find the base {base}: {}", known_bases(known))]
    NoBase {
        /// The name.
        base: BaseName,
        /// The bases there are.
        known: Vec<BaseName>,
    },
    /// The files that came with the recipe cannot be baked.
    #[error("read the files of the recipe")]
    Context(#[from] ContextError),
    /// Files were named that were not sent.
    #[error("copy files: {} of them were not sent", .0.len())]
    MissingBlobs(
        /// Their digests, each once.
        Vec<Digest>,
    ),
    /// A step did not end well.
    #[error(transparent)]
    Step(#[from] Box<StepFailure>),
    /// The package manager's plan could not be read.
    #[error("read what apt would install: {0:?}")]
    Plan(
        /// The line that has another form.
        String,
    ),
    /// A process is to run as somebody whom the image does not know.
    #[error(
        "find the user {user} of process {process}: the image has no such user that is not root"
    )]
    NoUser {
        /// The process.
        process: ProcessName,
        /// The user.
        user: String,
    },
    /// A process is to run a program that the image does not have.
    #[error("find {program}, which process {process} runs: {reason}")]
    NoProgram {
        /// The process.
        process: ProcessName,
        /// The path of the program.
        program: String,
        /// What is there instead.
        reason: &'static str,
    },
    /// The version names another image.
    #[error("name the image {app}:{version}: that is {existing} already")]
    Conflict {
        /// The application.
        app: AppName,
        /// The version.
        version: Version,
        /// The image that it names.
        existing: Digest,
        /// The image that was baked.
        baked: Digest,
    },
    /// Who asked for the bake does not listen any more.
    #[error("go on: nobody waits for this bake any more")]
    Abandoned,
    /// The image store refused.
    #[error("keep what was baked")]
    Image(#[from] kiln_image::Error),
    /// The database refused.
    #[error("record the bake")]
    Store(#[from] StoreError),
    /// The disk refused.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A step that did not end well.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {how}{}", shown(lines))]
pub struct StepFailure {
    /// The step.
    pub step: String,
    /// How it ended.
    pub how: String,
    /// The last lines that it said.
    pub lines: Vec<String>,
    /// Why it has no result, when it has none.
    pub source: Option<StepError>,
}

impl BakeError {
    /// Says what was being done when the system refused.
    pub(crate) fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

fn known_bases(known: &[BaseName]) -> String {
    if known.is_empty() {
        return "none was baked yet".to_owned();
    }
    let names: Vec<&str> = known.iter().map(BaseName::as_str).collect();
    format!("known are {}", names.join(", "))
}

fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
