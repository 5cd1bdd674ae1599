//! What a request asks for: a recipe with its files, or package files and nothing else.

use crate::context::Context;
use crate::plan::{self, Step};
use crate::units::{self, UnitError};
use crate::{BakeError, ContextError};
use kiln_image::Stack;
use kiln_names::{BaseName, ProcessName};
use kiln_protocol::bake::{NewBake, PackagedService};
use kiln_protocol::recipe::{CommandLine, Process, Processes, Recipe, Stop};
use std::collections::BTreeSet;

/// A request, understood.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) base: BaseName,
    pub(crate) steps: Vec<Step>,
    pub(crate) service: Service,
}

/// Where it is said how the image is run.
#[derive(Debug)]
pub(crate) enum Service {
    /// In the recipe.
    Recipe(Processes<Process>),
    /// In the packages, and in the request.
    Package(PackagedService),
}

/// How an image is run.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) processes: Processes<Process>,
    /// As `NAME=value`.
    pub(crate) env: Vec<String>,
}

impl Order {
    /// Understands a request.
    ///
    /// # Errors
    /// [`BakeError`] for one that asks for nothing, for two things, or for what it has no files of.
    pub(crate) fn read(new: &NewBake) -> Result<Self, BakeError> {
        if new.unnamed && new.version.is_some() {
            return Err(BakeError::Unclear("a version names an image that is to have no name"));
        }
        match (&new.recipe, &new.package) {
            (Some(text), None) => Self::of_recipe(new, text),
            (None, Some(package)) => Self::of_package(new, package),
            _ => Err(BakeError::Unclear("either a recipe or a package is wanted")),
        }
    }

    fn of_recipe(new: &NewBake, text: &str) -> Result<Self, BakeError> {
        let recipe = Recipe::parse(text)?;
        if recipe.app != new.app {
            return Err(BakeError::OtherApp { asked: new.app.clone(), recipe: recipe.app });
        }
        let steps = plan::steps(&recipe.image, &Context::check(&new.context)?)?;
        let base = new.base.clone().unwrap_or(recipe.image.base);
        Ok(Self { base, steps, service: Service::Recipe(recipe.processes) })
    }

    fn of_package(new: &NewBake, package: &PackagedService) -> Result<Self, BakeError> {
        let Some(base) = new.base.clone() else {
            return Err(BakeError::Unclear("a package is baked on a base, which is to be named"));
        };
        let files = Context::check(&new.context)?.all_package_files()?;
        if files.is_empty() {
            return Err(ContextError::NoPackage { pattern: "*.deb".to_owned() }.into());
        }
        let service = Service::Package(package.clone());
        Ok(Self { base, steps: vec![Step::Install(files)], service })
    }
}

impl Service {
    /// How the image is run whose tree is `tree` and that has `packages`.
    pub(crate) fn runs(
        self,
        tree: impl FnOnce() -> Result<Stack, BakeError>,
        packages: &BTreeSet<String>,
    ) -> Result<Runs, BakeError> {
        let package = match self {
            Self::Recipe(processes) => return Ok(Runs { processes, env: Vec::new() }),
            Self::Package(package) => package,
        };
        match package.command {
            Some(ref command) => Ok(as_told(command, &package)),
            None => by_unit(&package, &tree()?, packages),
        }
    }
}

fn as_told(command: &CommandLine, package: &PackagedService) -> Runs {
    let process = Process {
        command: command.words().to_vec(),
        port: package.port,
        user: package.user.clone(),
        writable: Vec::new(),
        capabilities: Vec::new(),
        stop: Stop::default(),
    };
    Runs { processes: alone(process), env: Vec::new() }
}

fn by_unit(
    package: &PackagedService,
    tree: &Stack,
    packages: &BTreeSet<String>,
) -> Result<Runs, BakeError> {
    let unit = units::choose(tree, packages, package.unit.as_deref())?;
    let user = package.user.clone().or(unit.user);
    let user = user.ok_or(UnitError::Root { unit: unit.name })?;
    let process = Process {
        command: unit.command,
        port: package.port,
        user: Some(user),
        writable: unit.writable,
        capabilities: Vec::new(),
        stop: unit.stop,
    };
    Ok(Runs { processes: alone(process), env: unit.env })
}

/// A package has one process, which is the one that routes are for.
fn alone(process: Process) -> Processes<Process> {
    let web = ProcessName::parse("web").expect("it is a process name");
    Processes::from_iter([(web, process)])
}
