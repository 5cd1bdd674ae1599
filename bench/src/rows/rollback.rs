//! Back to the version before: while it is warm on Kiln, started again elsewhere.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Swarm;
use crate::stage::Stage;
use crate::timing::{ms, ms_of_peer, serves, until_serving};
use anyhow::{Context, Result, ensure};
use kiln_tests::measure::span;
use std::time::{Duration, Instant};

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let (mut kiln, mut switch) = (Vec::new(), Vec::new());
    let (mut by_hand, mut swarm) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        let (took, switched) = on_kiln(stage)?;
        kiln.push(took);
        switch.push(switched);
        by_hand.extend(with_blue_green(stage)?);
        swarm.extend(on_swarm(stage)?);
    }
    let whole = Figure::new("rollback", "rollback while warm", Unit::Milliseconds, ms(kiln))
        .goal(Goal::AtMost(50.0))
        .beside("blue/green by hand", ms_of_peer(by_hand))
        .beside("docker swarm", ms_of_peer(swarm));
    let what = "  of that the switch itself";
    let switch = Figure::new("switch", what, Unit::Milliseconds, ms(switch));
    Ok(vec![whole, switch.goal(Goal::AtMost(5.0))])
}

/// The whole, and of that the switch.
fn on_kiln(stage: &Stage) -> Result<(Duration, Duration)> {
    let before = stage.service.change()?;
    stage.ship();
    stage.service.change()?;
    stage.ship();
    let mut said = None;
    let took = until_serving(&stage.target(), &before, || {
        let ran = stage.kiln.done(["rollback", "greeter", "prod", "-m", "back", "--json"]);
        // It is done when it says so: no request that begins now may see the version it left.
        ensure!(serves(&stage.target(), &before), "the rollback returned too early");
        said = Some(ran.json());
        Ok(())
    })?;
    let said = said.context("the rollback was typed")?;
    let switch = span(&said, "apply-traffic", "await-in-force").context("it has no switch")?;
    Ok((took, switch))
}

fn with_blue_green(stage: &Stage) -> Result<Option<Duration>> {
    let (Some(docker), Some(peer)) = (stage.docker(), stage.blue_green()) else { return Ok(None) };
    let before = stage.service.change()?;
    peer.deploy(docker, &stage.service)?;
    peer.retire(docker)?;
    let image = peer.image()?;
    stage.service.change()?;
    peer.deploy(docker, &stage.service)?;
    peer.retire(docker)?;
    let took = until_serving(&peer.target(), &before, || peer.start_image(docker, &image))?;
    peer.retire(docker)?;
    Ok(Some(took))
}

fn on_swarm(stage: &Stage) -> Result<Option<Duration>> {
    let (Some(docker), Some(swarm)) = (stage.docker(), stage.swarm()) else { return Ok(None) };
    let before = stage.service.change()?;
    swarm.update(docker, &docker.build(stage.service.dir())?, &before)?;
    Swarm::settle(docker)?;
    let after = stage.service.change()?;
    swarm.update(docker, &docker.build(stage.service.dir())?, &after)?;
    Swarm::settle(docker)?;
    let began = Instant::now();
    swarm.roll_back(docker, &before)?;
    let took = began.elapsed();
    Swarm::settle(docker)?;
    Ok(Some(took))
}
