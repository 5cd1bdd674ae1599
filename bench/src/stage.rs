//! What rows are measured on: a Kiln, a service, and the peers that are installed.

use crate::peers::{BlueGreen, Docker, Swarm};
use crate::service::{self, Service};
use anyhow::{Context, Result};
use kiln_load::Target;
use kiln_tests::Kiln;
use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;

/// The application that is deployed on Kiln.
const APP: &str = "greeter";
/// What the base has besides Debian's essential packages.
const PACKAGES: [&str; 1] = ["python3"];

/// Everything that is there. Peers are started when they are first asked for, and dropped before Kiln.
pub(crate) struct Stage {
    blue_green: OnceCell<Option<BlueGreen>>,
    swarm: OnceCell<Option<Swarm>>,
    docker: OnceCell<Option<Docker>>,
    missing: RefCell<Vec<String>>,
    pub(crate) kiln: Kiln,
    pub(crate) service: Service,
    pub(crate) rounds: u32,
}

/// Makes what must be fetched from elsewhere, and is kept between runs.
pub(crate) fn prepare() -> Result<()> {
    base()?;
    kiln_tests::rootfs().map(drop)
}

/// The root file system that Kiln's base and Docker's are both made of.
pub(crate) fn base() -> Result<PathBuf> {
    kiln_tests::debian(&kiln_tests::suite(), &PACKAGES)
}

impl Stage {
    /// A Kiln that serves the first version of the service.
    pub(crate) fn set(rounds: u32) -> Result<Self> {
        let kiln = Kiln::try_start().context("start Kiln, as root")?;
        let service = Service::new(kiln.scratch().join(APP))?;
        kiln.done(["base", "bake", "debian-12", "--rootfs", &base()?.to_string_lossy()]);
        kiln.done(["base", "bake", "tiny", "--rootfs", &kiln_tests::rootfs()?.to_string_lossy()]);
        kiln.done(["env", "create", "prod"]);
        kiln.done(["app", "create", APP]);
        let _put = kiln.put(APP, "deployment-params.json", &service::params()?).exits(0);
        let stage = Self {
            kiln,
            service,
            rounds,
            docker: OnceCell::new(),
            swarm: OnceCell::new(),
            blue_green: OnceCell::new(),
            missing: RefCell::default(),
        };
        stage.service.change()?;
        stage.ship();
        Ok(stage)
    }

    /// The service on Kiln.
    pub(crate) fn target(&self) -> Target {
        self.kiln.target(APP)
    }

    /// What people type to bring a change out.
    pub(crate) fn ship(&self) {
        self.kiln.done(["ship", APP, "prod", "--dir", self.service.dir(), "-m", "on", "--json"]);
    }

    pub(crate) fn docker(&self) -> Option<&Docker> {
        let docker = self.docker.get_or_init(|| self.found("docker", Docker::start()));
        docker.as_ref()
    }

    pub(crate) fn swarm(&self) -> Option<&Swarm> {
        let start = || {
            let docker = self.docker()?;
            self.found("swarm", Swarm::start(docker, &self.service))
        };
        self.swarm.get_or_init(start).as_ref()
    }

    pub(crate) fn blue_green(&self) -> Option<&BlueGreen> {
        let start = || {
            let docker = self.docker()?;
            self.found("blue/green by hand", BlueGreen::start(docker, &self.service))
        };
        self.blue_green.get_or_init(start).as_ref()
    }

    /// The peer, or a note that it is not there.
    pub(crate) fn found<T>(&self, name: &str, peer: Result<T>) -> Option<T> {
        peer.map_err(|error| self.lacks(name, &error)).ok()
    }

    /// Notes a peer that is not there, and why.
    pub(crate) fn lacks(&self, name: &str, error: &anyhow::Error) {
        self.missing.borrow_mut().push(format!("{name}: {error:#}"));
    }

    /// The peers that were asked for and are not there, and why.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.borrow().clone()
    }
}
