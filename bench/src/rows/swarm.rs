//! The same service on a Swarm, brought out by Kiln and by the Swarm itself.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::{Docker, Swarm};
use crate::service;
use crate::stage::Stage;
use crate::timing::{ms, serves, until_serving};
use anyhow::{Result, ensure};
use kiln_load::Target;
use std::time::{Duration, Instant};

/// The environment that is on the Swarm.
const ENV: &str = "fleet";

/// How long each took.
#[derive(Default)]
struct Took {
    ship: Vec<Duration>,
    deploy: Vec<Duration>,
    rollback: Vec<Duration>,
}

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let (Some(docker), Some(swarm)) = (stage.docker(), stage.swarm()) else {
        return Ok(Vec::new());
    };
    let fleet = Fleet::begin(stage, docker)?;
    let (mut kiln, mut peer) = (Took::default(), Took::default());
    for _ in 0..stage.rounds {
        fleet.round(&mut kiln)?;
        by_itself(stage, docker, swarm, &mut peer)?;
    }
    let here = warm_here(stage)?;
    let figure = |name, what, kiln, peer, goal| {
        Figure::new(name, what, Unit::Milliseconds, ms(kiln)).beside_goal(
            "docker swarm",
            Some(ms(peer)),
            goal,
        )
    };
    let no_slower = Some(Goal::OneIn(1));
    Ok(vec![
        figure("swarm-ship", "on a Swarm: one-line change", kiln.ship, peer.ship, no_slower),
        figure("swarm-deploy", "  of a baked image", kiln.deploy, peer.deploy, no_slower),
        figure("swarm-rollback", "  rollback while warm", kiln.rollback, peer.rollback, None)
            .beside("kiln on one machine", Some(here)),
    ])
}

/// Kiln's environment on the Swarm; it is taken down in the end.
struct Fleet<'a> {
    stage: &'a Stage,
    target: Target,
}

impl<'a> Fleet<'a> {
    fn begin(stage: &'a Stage, docker: &Docker) -> Result<Self> {
        let host = format!("host=unix://{}", docker.socket().0.display());
        let create = ["env", "create", ENV, "--engine", "docker", "--set", &host];
        stage.kiln.done(create.iter().chain(&["--set", "swarm=true"]));
        let params = service::params()?;
        let _put = stage.kiln.put_in("greeter", ENV, "deployment-params.json", &params).exits(0);
        let target = Target::new(stage.kiln.http(), format!("greeter.{ENV}.localhost"))?;
        let fleet = Self { stage, target };
        stage.service.change()?;
        fleet.ship();
        Ok(fleet)
    }

    fn ship(&self) {
        let dir = self.stage.service.dir();
        self.stage.kiln.done(["ship", "greeter", ENV, "--dir", dir, "-m", "on", "--json"]);
    }

    fn round(&self, took: &mut Took) -> Result<()> {
        let before = self.stage.service.change()?;
        took.ship.push(until_serving(&self.target, &before, || {
            self.ship();
            Ok(())
        })?);
        let version = self.stage.service.change()?;
        let name = version.replace(' ', "-");
        self.stage.kiln.done(["bake", "greeter", &name, "--dir", self.stage.service.dir()]);
        let image = format!("greeter:{name}");
        took.deploy.push(until_serving(&self.target, &version, || {
            self.stage.kiln.done(["deploy", "greeter", ENV, &image, "-m", "measured", "--json"]);
            Ok(())
        })?);
        took.rollback.push(roll_back(self.stage, ENV, &self.target, &before)?);
        Ok(())
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        // What is left is taken away with the whole Swarm.
        self.stage.kiln.run(["stop", "greeter", ENV, "-m", "measured"]);
        self.stage.kiln.run(["env", "delete", ENV]);
    }
}

fn roll_back(stage: &Stage, env: &str, target: &Target, before: &str) -> Result<Duration> {
    until_serving(target, before, || {
        stage.kiln.done(["rollback", "greeter", env, "-m", "back", "--json"]);
        ensure!(serves(target, before), "the rollback returned too early");
        Ok(())
    })
}

/// The same rollback on this machine, in the same minutes.
fn warm_here(stage: &Stage) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..stage.rounds {
        let before = stage.service.change()?;
        stage.ship();
        stage.service.change()?;
        stage.ship();
        took.push(roll_back(stage, "prod", &stage.target(), &before)?);
    }
    Ok(ms(took))
}

fn by_itself(stage: &Stage, docker: &Docker, swarm: &Swarm, took: &mut Took) -> Result<()> {
    let before = stage.service.change()?;
    let began = Instant::now();
    let image = docker.build(stage.service.dir())?;
    swarm.update(docker, &image, &before)?;
    took.ship.push(began.elapsed());
    Swarm::settle(docker)?;
    let version = stage.service.change()?;
    let image = docker.build(stage.service.dir())?;
    let began = Instant::now();
    swarm.update(docker, &image, &version)?;
    took.deploy.push(began.elapsed());
    Swarm::settle(docker)?;
    let began = Instant::now();
    swarm.roll_back(docker, &before)?;
    took.rollback.push(began.elapsed());
    Swarm::settle(docker)
}
