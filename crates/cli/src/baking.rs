//! Baking what is in a directory, which `bake` and `ship` share, or packages.

use crate::CliError;
use crate::context::{Context, blob};
use crate::progress::Progress;
use crate::session::Session;
use crate::words::{clean, size};
use futures_util::StreamExt as _;
use kiln_client::{ClientError, Events};
use kiln_names::{AppName, BaseName, Version};
use kiln_protocol::bake::{BakeEvent, Baked, BakedLayer, NewBake, PackagedService};
use kiln_protocol::recipe::{FILE, Recipe};
use kiln_protocol::{Code, Exit};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How often missing files are sent: what the server has it may drop between two questions.
const ATTEMPTS: u32 = 3;

/// How many of the last lines of a failed step are shown.
const LAST_LINES: usize = 20;

/// What to bake.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) app: AppName,
    pub(crate) name: Name,
    pub(crate) source: Source,
    pub(crate) base: Option<BaseName>,
    pub(crate) refresh: bool,
}

/// What the image is to be called.
#[derive(Debug)]
pub(crate) enum Name {
    /// As the person says.
    Version(Version),
    /// By the day and a number.
    Dated,
    /// Nothing: it is to be used once.
    Unnamed,
}

/// Where what is baked comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The directory of a recipe.
    Directory(PathBuf),
    /// Package files, without a recipe.
    Packages(Vec<PathBuf>, PackagedService),
}

/// Bakes, and draws how it goes.
pub(crate) async fn bake(session: &Session, order: Order) -> Result<Baked, CliError> {
    let (recipe, package, context) = match order.source {
        Source::Directory(directory) => {
            let text = recipe_text(&directory)?;
            let context = Context::read(&directory, &check(&order.app, &directory, &text)?)?;
            (Some(text), None, context)
        }
        Source::Packages(files, service) => (None, Some(service), Context::of_packages(&files)?),
    };
    let unnamed = matches!(order.name, Name::Unnamed);
    let version = match order.name {
        Name::Version(version) => Some(version),
        Name::Dated | Name::Unnamed => None,
    };
    let new = NewBake {
        app: order.app,
        version,
        recipe,
        package,
        context: context.entries.clone(),
        base: order.base,
        refresh: order.refresh,
        unnamed,
    };
    for _ in 1..ATTEMPTS {
        match attempt(session, &new).await {
            Err(CliError::Client(error)) => match blob::missing(&error) {
                Some(missing) => context.send(&session.client, missing).await?,
                None => return Err(error.into()),
            },
            outcome => return outcome,
        }
    }
    attempt(session, &new).await
}

async fn attempt(session: &Session, new: &NewBake) -> Result<Baked, CliError> {
    Course::new(session).run(session.client.bake(new).await?).await
}

fn recipe_text(directory: &Path) -> Result<String, CliError> {
    let path = directory.join(FILE);
    std::fs::read_to_string(&path).map_err(|error| {
        let failed = CliError::file(&path, &error);
        match error.kind() {
            std::io::ErrorKind::NotFound => failed.hint("--dir names the directory of kiln.toml."),
            _ => failed,
        }
    })
}

/// The application of the recipe in a directory.
pub(crate) fn app_of(directory: &Path) -> Result<AppName, CliError> {
    Ok(read(directory, &recipe_text(directory)?)?.app)
}

fn check(asked: &AppName, directory: &Path, text: &str) -> Result<Recipe, CliError> {
    let recipe = read(directory, text)?;
    if recipe.app != *asked {
        let (path, app) = (directory.join(FILE), &recipe.app);
        let message = format!("{} is the recipe of {app}, not of {asked}", path.display());
        return Err(CliError::invalid(message));
    }
    Ok(recipe)
}

fn read(directory: &Path, text: &str) -> Result<Recipe, CliError> {
    let path = directory.join(FILE);
    Recipe::parse(text)
        .map_err(|mistake| CliError::invalid(format!("{}: {mistake}", path.display())))
}

/// How a bake goes.
struct Course {
    progress: Progress,
    step: String,
    began: Instant,
    /// The last lines of the step.
    said: VecDeque<String>,
}

impl Course {
    fn new(session: &Session) -> Self {
        let progress = Progress::new(session.output);
        Self { progress, step: String::new(), began: Instant::now(), said: VecDeque::new() }
    }

    async fn run(mut self, mut events: Events<BakeEvent>) -> Result<Baked, CliError> {
        while let Some(event) = events.next().await {
            match event.map_err(|error| self.failure(error))? {
                BakeEvent::Step { step } => self.begin_step(step),
                BakeEvent::Output { line } => self.hear(line),
                BakeEvent::Layer(layer) => self.end_step(&layer),
                BakeEvent::Baked(baked) => return Ok(baked),
            }
        }
        Err(CliError::internal("the bake ended without a word"))
    }

    fn begin_step(&mut self, step: String) {
        self.progress.passing(&step, "");
        self.step = step;
        self.began = Instant::now();
        self.said.clear();
    }

    fn hear(&mut self, line: String) {
        self.progress.passing(&self.step, &line);
        if self.said.len() == LAST_LINES {
            self.said.pop_front();
        }
        self.said.push_back(line);
    }

    fn end_step(&mut self, layer: &BakedLayer) {
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let note = if layer.cached { "cached".to_owned() } else { size(layer.bytes) };
        let step = std::mem::take(&mut self.step);
        self.progress.done(if step.is_empty() { &layer.step } else { &step }, &note, took);
    }

    /// A failed step is shown with what it said last.
    fn failure(&mut self, error: ClientError) -> CliError {
        match error {
            ClientError::Problem(problem) if problem.code == Code::BakeFailed => {
                // What fails before the first step has no line of its own.
                if !self.step.is_empty() {
                    self.progress.failed(&self.step, "");
                }
                let said = self.said.iter().map(|line| format!("| {}", clean(line))).collect();
                let failed = CliError::new(Exit::Invalid, problem.detail).details(said);
                match problem.hint {
                    Some(hint) => failed.hint(hint),
                    None => failed,
                }
            }
            error => error.into(),
        }
    }
}
