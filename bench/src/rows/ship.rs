//! A one-line change, from typing the command until both instances serve it.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Swarm;
use crate::stage::Stage;
use crate::timing::{ms, ms_of_peer, until_serving};
use anyhow::Result;
use std::time::Instant;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let (mut kiln, mut by_hand, mut swarm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        let version = stage.service.change()?;
        kiln.push(until_serving(&stage.target(), &version, || {
            stage.ship();
            Ok(())
        })?);
        if let (Some(docker), Some(peer)) = (stage.docker(), stage.blue_green()) {
            let version = stage.service.change()?;
            let deploy = || peer.deploy(docker, &stage.service);
            by_hand.push(until_serving(&peer.target(), &version, deploy)?);
            peer.retire(docker)?;
        }
        if let (Some(docker), Some(peer)) = (stage.docker(), stage.swarm()) {
            let version = stage.service.change()?;
            let began = Instant::now();
            let image = docker.build(stage.service.dir())?;
            peer.update(docker, &image, &version)?;
            swarm.push(began.elapsed());
            Swarm::settle(docker)?;
        }
    }
    let what = "one-line change until both serve it";
    let figure = Figure::new("ship", what, Unit::Milliseconds, ms(kiln))
        .beside_goal("blue/green by hand", ms_of_peer(by_hand), Some(Goal::OneIn(3)))
        .beside_goal("docker swarm", ms_of_peer(swarm), Some(Goal::OneIn(25)));
    Ok(vec![figure])
}
