//! An image of the service, after one file changed and after nothing did.

use crate::figure::{Figure, Goal, Unit};
use crate::stage::Stage;
use crate::timing::{command, ms, ms_of_peer};
use anyhow::Result;
use std::time::Duration;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let (mut kiln, mut docker) = (Pair::default(), Pair::default());
    for _ in 0..stage.rounds {
        let version = stage.service.change()?.replace(' ', "-");
        kiln.changed.push(bake(stage, &format!("{version}-changed"))?);
        kiln.same.push(bake(stage, &format!("{version}-same"))?);
        if let Some(peer) = stage.docker() {
            // Anew: an image that the swarm was given would be known already.
            stage.service.change()?;
            let build = || command(peer.command(["build", "--quiet", stage.service.dir()]));
            docker.changed.push(build()?);
            docker.same.push(build()?);
        }
    }
    let figure = |row, what, kiln, goal, peer| {
        Figure::new(row, what, Unit::Milliseconds, ms(kiln))
            .goal(Goal::AtMost(goal))
            .beside("docker build", ms_of_peer(peer))
    };
    Ok(vec![
        figure("bake", "bake of a one-file change", kiln.changed, 80.0, docker.changed),
        figure("bake-same", "bake of no change", kiln.same, 40.0, docker.same),
    ])
}

/// Spans of both bakes.
#[derive(Default)]
struct Pair {
    changed: Vec<Duration>,
    same: Vec<Duration>,
}

fn bake(stage: &Stage, version: &str) -> Result<Duration> {
    let dir = stage.service.dir();
    command(stage.kiln.command(["bake", "greeter", version, "--json", "--dir", dir]))
}
