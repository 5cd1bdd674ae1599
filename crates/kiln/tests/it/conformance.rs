//! Every engine passes the same suite, with real processes: of this machine, of a Docker Engine and of
//! a Swarm. Needs dockerd.

use crate::machine::Machine;
use kiln_engine::conformance::{self, Ask, Subject};
use kiln_engine::{Engine, GroupSpec, Traffic, UserData};
use kiln_engine_docker::EngineSettings;
use kiln_keeper::Keeper;
use kiln_names::{Digest, EnvName, GroupName, ReleaseId, SecretVersions};
use kiln_protocol::configuration::DeploymentParams;
use kiln_protocol::recipe::{ImageProcess, Stop};
use kiln_tests::Docker;
use std::sync::Arc;
use tokio::runtime::Runtime;

struct Installation {
    machine: Machine,
    running: Option<(Runtime, Keeper)>,
    /// What runs the instances, unless this machine does.
    on: Option<On>,
}

struct On {
    docker: Docker,
    env: EnvName,
    engine: EngineSettings,
}

impl Installation {
    fn new(on: Option<On>) -> Self {
        let mut new = Self { machine: Machine::new("hello"), running: None, on };
        new.start();
        new
    }

    fn docker(docker: Docker, swarm: bool) -> Self {
        let settings = serde_json::json!({"host": docker.host(), "swarm": swarm});
        let engine = EngineSettings::parse(settings.as_object().unwrap()).unwrap();
        Self::new(Some(On { docker, env: EnvName::parse("conformance").unwrap(), engine }))
    }

    fn start(&mut self) {
        let start = || match &self.on {
            None => self.machine.start_engine(),
            Some(On { env, engine, .. }) => self.machine.start_docker(env, engine),
        };
        self.running = Some(tokio::task::block_in_place(start));
    }

    fn current(&self) -> Keeper {
        self.running.as_ref().unwrap().1.clone()
    }
}

#[async_trait::async_trait]
impl Subject for Installation {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.current())
    }

    fn traffic(&self) -> Arc<dyn Traffic> {
        Arc::new(self.current())
    }

    fn spec(&self, ask: &Ask) -> GroupSpec {
        spec(ask, self.machine.image)
    }

    async fn restart(&mut self) {
        let (runtime, engine) = self.running.take().unwrap();
        drop(engine);
        runtime.shutdown_background();
        self.start();
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let Some((runtime, keeper)) = self.running.take() else { return };
        if let Some(On { docker, .. }) = &self.on {
            tokio::task::block_in_place(|| runtime.block_on(keeper.leave())).unwrap();
            for what in ["container", "network"] {
                let left =
                    docker.text([what, "ls", "--quiet", "--filter", "label=io.kiln.install"]);
                assert_eq!(left, "", "of kind {what}");
            }
        }
        runtime.shutdown_background();
    }
}

fn spec(ask: &Ask, image: Digest) -> GroupSpec {
    let params = DeploymentParams::parse(r#"{"drainTimeout": "1s", "memory": "32MiB"}"#).unwrap();
    GroupSpec {
        id: ask.id,
        name: GroupName::new(&ask.app, &ask.env, &ask.process, ask.number),
        app: ask.app.clone(),
        env: ask.env.clone(),
        process: ask.process.clone(),
        number: ask.number,
        release: ReleaseId::of(b"conformance"),
        image,
        run: server(),
        params: params.resolve(&ask.app, &ask.env, &ask.process, true),
        user_data: UserData::default(),
        secrets: SecretVersions::new(),
    }
}

fn server() -> ImageProcess {
    let command = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"];
    ImageProcess {
        command: command.map(str::to_owned).to_vec(),
        port: 8080.try_into().ok(),
        uid: 65532,
        gid: 65532,
        writable: Vec::new(),
        capabilities: Vec::new(),
        stop: Stop::default(),
        working_dir: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_engine_passes_the_conformance_suite() {
    conformance::all(&mut Installation::new(None)).await.expect_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_engine_passes_the_conformance_suite() {
    let mut docker = Installation::docker(Docker::with_networks(&[]), false);
    conformance::all(&mut docker).await.expect_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swarm_passes_the_conformance_suite() {
    let mut swarm = Installation::docker(Docker::swarm(), true);
    conformance::all(&mut swarm).await.expect_passed();
}
