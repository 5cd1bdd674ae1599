//! Which image a release has, and whether it may run here.

use super::goal::Goal;
use super::surroundings::Surroundings;
use crate::kit::Kit;
use crate::place::stored_release;
use crate::ports::ImageFacts;
use crate::{Ask, Deploy, Problem, Request, Target};
use kiln_names::Digest;
use kiln_protocol::configuration::Configuration;

/// The image, and its name if it was chosen as the newest.
pub(super) async fn image(
    kit: &Kit,
    request: &Request,
    around: &Surroundings,
    goal: &Goal,
) -> Result<(Digest, Option<String>), Problem> {
    let (target, images) = (&request.target, &kit.ports.images);
    match (&goal.known, &request.ask) {
        (Some(release), _) => Ok((release.image, None)),
        (None, Ask::Redeploy) => {
            let nothing = || Problem::invalid(format!("nothing of {target} is active"));
            let id = around.place.release().ok_or_else(nothing)?;
            Ok((stored_release(&mut *kit.db.read().await?, id).await?.image, None))
        }
        (None, Ask::Deploy(Deploy { image: Some(image), .. })) => {
            Ok((images.resolve(image).await?, None))
        }
        (None, _) => {
            let app = &target.app;
            let none =
                || Problem::not_found(format!("{app} was never baked: kiln bake {app} VERSION"));
            let (image, name) = images.newest(app).await?.ok_or_else(none)?;
            Ok((image, Some(name)))
        }
    }
}

pub(super) fn check_image(
    target: &Target,
    image: &Digest,
    facts: &ImageFacts,
) -> Result<(), Problem> {
    match &facts.app {
        Some(app) if *app != target.app => {
            let message = format!("image {} is of {app}, not of {}", image.short(), target.app);
            Err(Problem::invalid(message))
        }
        _ if facts.processes.is_empty() => {
            Err(Problem::invalid(format!("image {} has no process to run", image.short())))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_configuration(
    target: &Target,
    configuration: &Configuration,
    facts: &ImageFacts,
) -> Result<(), Problem> {
    let fits = configuration.check(&target.app, &target.env, &facts.processes);
    fits.map_err(|error| Problem::invalid(error.to_string()))?;
    let Some(foreign) = &facts.foreign else { return Ok(()) };
    if !configuration.launch.commands().is_empty() {
        let message = "launch-data.json has commands, and the image was not baked by Kiln: nothing \
                       in it runs them; bake it on a base from the image, or empty the file";
        return Err(Problem::invalid(message));
    }
    match (facts.processes.main(), foreign.ports.as_slice()) {
        (Some((process, run)), [_, _, ..]) if run.port.is_none() => {
            let ports: Vec<String> = foreign.ports.iter().map(ToString::to_string).collect();
            let message = format!(
                "the image exposes the ports {}; deployment-params.json has to say which one is \
                 served: {{\"processes\": {{\"{process}\": {{\"port\": {}}}}}}}",
                ports.join(", "),
                ports[0]
            );
            Err(Problem::invalid(message))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_embargo(image: &Digest, facts: &ImageFacts) -> Result<(), Problem> {
    match &facts.embargo {
        None => Ok(()),
        Some(embargo) => {
            let message = format!("image {} may not run here: {embargo}", image.short());
            Err(Problem::not_allowed(message))
        }
    }
}

pub(super) fn check_architecture(around: &Surroundings, facts: &ImageFacts) -> Result<(), Problem> {
    let engine = around.provider.architecture.as_ref();
    let silent = || Problem::unavailable("tell what its machines run: the engine does not answer");
    let (image, engine) = (&facts.architecture, engine.ok_or_else(silent)?);
    if image == engine {
        return Ok(());
    }
    Err(Problem::invalid(format!("the image is for {image}, the engine runs {engine}")))
}
