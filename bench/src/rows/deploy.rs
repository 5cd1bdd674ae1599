//! What a deployment of a baked image takes beyond the service's own start and first answer.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Swarm;
use crate::stage::Stage;
use crate::timing::{ms, until_serving};
use anyhow::Result;
use kiln_tests::measure::own_start;
use std::time::{Duration, Instant};

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let (mut kiln, mut swarm) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        // Beside each: a machine that is busy for a while is so for both.
        let own = own_start(&stage.service.program())?;
        kiln.push(on_kiln(stage)?.saturating_sub(own));
        swarm.extend(on_swarm(stage)?.map(|took| took.saturating_sub(own)));
    }
    let swarm = (!swarm.is_empty()).then(|| ms(swarm));
    let what = "deployment beyond the service's own start";
    let figure = Figure::new("deploy", what, Unit::Milliseconds, ms(kiln))
        .goal(Goal::AtMost(80.0))
        .beside("docker swarm", swarm);
    Ok(vec![figure])
}

fn on_kiln(stage: &Stage) -> Result<Duration> {
    let version = stage.service.change()?;
    let image = format!("greeter:{}", version.replace(' ', "-"));
    let name = image.trim_start_matches("greeter:");
    stage.kiln.done(["bake", "greeter", name, "--dir", stage.service.dir()]);
    until_serving(&stage.target(), &version, || {
        stage.kiln.done(["deploy", "greeter", "prod", &image, "-m", "measured", "--json"]);
        Ok(())
    })
}

fn on_swarm(stage: &Stage) -> Result<Option<Duration>> {
    let (Some(docker), Some(swarm)) = (stage.docker(), stage.swarm()) else { return Ok(None) };
    let version = stage.service.change()?;
    let image = docker.build(stage.service.dir())?;
    let began = Instant::now();
    swarm.update(docker, &image, &version)?;
    let took = began.elapsed();
    Swarm::settle(docker)?;
    Ok(Some(took))
}
