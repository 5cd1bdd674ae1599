//! The local engine passes the suite that every engine passes, with real processes.

use crate::machine::Machine;
use kiln_engine::conformance::{self, Ask, Subject};
use kiln_engine::{Engine, GroupSpec, Traffic, UserData};
use kiln_engine_local::LocalEngine;
use kiln_names::{Digest, GroupName, ReleaseId, SecretVersions};
use kiln_protocol::configuration::DeploymentParams;
use kiln_protocol::recipe::{ImageProcess, Stop};
use std::sync::Arc;
use tokio::runtime::Runtime;

struct Local {
    machine: Machine,
    running: Option<(Runtime, LocalEngine)>,
}

impl Local {
    fn new() -> Self {
        let machine = Machine::new("hello");
        let start = || machine.start_engine();
        let running = tokio::task::block_in_place(start);
        Self { machine, running: Some(running) }
    }

    fn current(&self) -> LocalEngine {
        self.running.as_ref().unwrap().1.clone()
    }
}

#[async_trait::async_trait]
impl Subject for Local {
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
        let start = || self.machine.start_engine();
        self.running = Some(tokio::task::block_in_place(start));
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
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
    let mut local = Local::new();
    conformance::all(&mut local).await.expect_passed();
}
