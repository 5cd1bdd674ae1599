//! A swarm of one node: an update starts the new tasks first, all at once, waits for nothing that can
//! be turned off, and takes the image by its id, so that no registry is asked for it.

use super::Docker;
use crate::enclosure::ADDRESS;
use crate::service::Service;
use crate::timing::{pause, serves};
use anyhow::{Context, Result, ensure};
use kiln_load::Target;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const NAME: &str = "greeter";
const REPLICAS: usize = 2;
/// How long an update may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(10);

/// The service, as tasks of a swarm. Nothing balances between them: they publish ports of their own,
/// which spares them the routing mesh.
pub(crate) struct Swarm {
    host: String,
}

impl Swarm {
    pub(crate) fn start(docker: &Docker, service: &Service) -> Result<Self> {
        docker.say(["swarm", "init", "--advertise-addr", ADDRESS, "--listen-addr", ADDRESS])?;
        let version = service.change()?;
        let image = docker.build(service.dir())?;
        docker.say([
            "service",
            "create",
            "--detach",
            "--name",
            NAME,
            "--replicas",
            &REPLICAS.to_string(),
            "--publish",
            "mode=host,target=8080",
            "--update-order",
            "start-first",
            "--update-parallelism",
            "0",
            "--update-delay",
            "0s",
            "--update-monitor",
            "1ns",
            "--rollback-order",
            "start-first",
            "--rollback-parallelism",
            "0",
            "--rollback-monitor",
            "1ns",
            "--stop-grace-period",
            "1s",
            "--no-resolve-image",
            &image,
        ])?;
        let swarm = Self { host: format!("{NAME}.prod.localhost") };
        swarm.await_serving(docker, &version)?;
        Ok(swarm)
    }

    /// Asks for another image, and waits until every task serves that version.
    pub(crate) fn update(&self, docker: &Docker, image: &str, version: &str) -> Result<()> {
        docker.say([
            "service",
            "update",
            "--detach",
            "--quiet",
            "--no-resolve-image",
            "--image",
            image,
            NAME,
        ])?;
        self.await_serving(docker, version)
    }

    /// Asks for what was there before, and waits until every task serves that version.
    pub(crate) fn roll_back(&self, docker: &Docker, version: &str) -> Result<()> {
        docker.say(["service", "rollback", "--detach", "--quiet", NAME])?;
        self.await_serving(docker, version)
    }

    fn await_serving(&self, docker: &Docker, version: &str) -> Result<()> {
        let began = Instant::now();
        while self.serving(docker, version)? < REPLICAS {
            ensure!(began.elapsed() < PATIENCE, "{version} does not serve on the swarm");
            pause(LOOK);
        }
        Ok(())
    }

    /// Waits until the tasks of the version before are gone: the next change would find them running.
    pub(crate) fn settle(docker: &Docker) -> Result<()> {
        let began = Instant::now();
        while tasks(docker)?.len() != REPLICAS {
            ensure!(began.elapsed() < PATIENCE, "the swarm keeps its old tasks");
            pause(LOOK);
        }
        Ok(())
    }

    /// How many running tasks answer with that version.
    fn serving(&self, docker: &Docker, version: &str) -> Result<usize> {
        let tasks = tasks(docker)?;
        let targets = tasks.iter().filter_map(|container| self.target(container));
        Ok(targets.filter(|target| serves(target, version)).count())
    }

    fn target(&self, container: &Value) -> Option<Target> {
        let ports = container["Ports"].as_array()?.iter();
        let port = ports.filter_map(|port| port["PublicPort"].as_u64()).next()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?));
        Target::new(address, &self.host).ok()
    }
}

/// The containers of all tasks that run.
fn tasks(docker: &Docker) -> Result<Vec<Value>> {
    let listed = docker.socket().get("/containers/json")?;
    let containers = listed.as_array().context("dockerd lists no containers")?.iter();
    let ours = |one: &&Value| one["Labels"]["com.docker.swarm.service.name"] == NAME;
    Ok(containers.filter(ours).cloned().collect())
}
