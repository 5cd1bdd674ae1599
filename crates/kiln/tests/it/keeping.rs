//! One group on a machine of its own, for tests of how the engine keeps it.

use crate::machine::{Machine, until};
use futures_util::FutureExt;
use kiln_engine::{
    Call, ClusterTraffic, Engine, GroupSpec, InstanceState, LogQuery, LogStream, ObservedGroup,
    ObservedInstance, Share, Traffic, TrafficState, TrafficVersion, UserData,
};
use kiln_keeper::Keeper;
use kiln_names::{
    AppName, Digest, EnvName, GroupId, GroupName, GroupNumber, InstanceId, ProcessName, ReleaseId,
    SecretVersions,
};
use kiln_protocol::configuration::DeploymentParams;
use kiln_protocol::recipe::{ImageProcess, Stop};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

const CALL: Call = Call { epoch: 1 };
/// Serves the page that the test makes; the instance is healthy while it is there.
pub(crate) const SERVE: &str = "exec /bin/busybox httpd -f -p 8080 -h /www";
/// The same, healthy from the start.
pub(crate) const SERVE_PAGE: &str =
    "echo ok > /tmp/page; exec /bin/busybox httpd -f -p 8080 -h /www";
const PARAMS: &str = r#"{"drainTimeout": "20s", "memory": "32MiB", "healthCheck":
    {"path": "/page", "interval": "50ms", "unhealthyThreshold": 2}}"#;

/// A group, and the engine that keeps it.
pub(crate) struct Keeping {
    running: Option<(Runtime, Keeper)>,
    pub(crate) machine: Machine,
    pub(crate) spec: GroupSpec,
}

impl Keeping {
    /// A group of instances that run the shell script.
    pub(crate) fn new(script: &str, size: u32) -> Self {
        Self::on(Machine::new("hello"), script, size, SecretVersions::new())
    }

    /// The same on a machine that keeps those secrets.
    pub(crate) fn on(machine: Machine, script: &str, size: u32, secrets: SecretVersions) -> Self {
        let spec = GroupSpec { secrets, ..spec(script, machine.image) };
        let running = Some(machine.start_engine());
        let keeping = Self { running, machine, spec };
        keeping.run(keeping.engine().ensure_group(CALL, &keeping.spec)).unwrap();
        keeping.resize(size);
        keeping
    }

    /// The same, all of it healthy.
    pub(crate) fn healthy(script: &str, size: u32) -> Self {
        let keeping = Self::new(script, size);
        keeping.until_healthy(size);
        keeping
    }

    pub(crate) fn engine(&self) -> &Keeper {
        &self.running.as_ref().unwrap().1
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.running.as_ref().unwrap().0.block_on(future)
    }

    /// The engine's sudden death.
    pub(crate) fn crash(&mut self) {
        self.running.take().unwrap().0.shutdown_background();
    }

    /// Another engine takes over.
    pub(crate) fn take_over(&mut self) {
        self.running = Some(self.machine.start_engine());
    }

    pub(crate) fn resize(&self, size: u32) {
        self.run(self.engine().resize_group(CALL, self.spec.id, size.into())).unwrap();
    }

    pub(crate) fn replace(&self, id: InstanceId) {
        self.run(self.engine().replace_instance(CALL, id)).unwrap();
    }

    pub(crate) fn remove(&self) {
        self.run(self.engine().remove_group(CALL, self.spec.id)).unwrap();
    }

    /// Sends all requests for `host` to the group.
    pub(crate) fn route(&self, host: &str) {
        let route = serde_json::json!({ "host": host });
        let cluster = ClusterTraffic {
            external: None,
            process: self.spec.process.clone(),
            routes: vec![serde_json::from_value(route).unwrap()],
            shares: vec![Share { group: self.spec.id, weight: 1 }],
        };
        let (app, env) = (self.spec.app.clone(), self.spec.env.clone());
        let desired = TrafficState { app, env, clusters: vec![cluster] };
        self.run(self.engine().apply(CALL, &desired, TrafficVersion::default())).unwrap();
    }

    pub(crate) fn group(&self) -> Option<ObservedGroup> {
        let seen = self.run(Engine::observe(self.engine(), None)).unwrap();
        seen.group(self.spec.id).cloned()
    }

    pub(crate) fn instances(&self) -> Vec<ObservedInstance> {
        self.group().map(|group| group.instances).unwrap_or_default()
    }

    pub(crate) fn ids(&self) -> BTreeSet<InstanceId> {
        self.instances().iter().map(|instance| instance.id).collect()
    }

    /// The only instance there is.
    pub(crate) fn only(&self) -> ObservedInstance {
        let [only] = self.instances().try_into().unwrap();
        only
    }

    pub(crate) fn state(&self, id: InstanceId) -> Option<InstanceState> {
        self.instances().iter().find(|instance| instance.id == id).map(|instance| instance.state)
    }

    pub(crate) fn until_healthy(&self, size: u32) {
        until(&format!("{size} instances are healthy and there is no other"), || {
            let group = self.group().unwrap();
            group.healthy() == size as usize && group.instances.len() == size as usize
        });
    }

    /// Gives the instance the page that its check asks for.
    pub(crate) fn pass(&self, id: InstanceId) {
        std::fs::write(self.machine.root(id).join("tmp/page"), "ok").unwrap();
    }

    /// Takes the page away again.
    pub(crate) fn fail(&self, id: InstanceId) {
        std::fs::remove_file(self.machine.root(id).join("tmp/page")).unwrap();
    }

    pub(crate) fn logs(&self, instance: Option<InstanceId>, follow: bool) -> LogStream {
        let query = LogQuery {
            app: self.spec.app.clone(),
            env: self.spec.env.clone(),
            group: None,
            instance,
            tail: 10,
            follow,
        };
        self.run(self.engine().logs(query)).unwrap()
    }

    /// What the instance wrote, as it is known now.
    pub(crate) fn lines(&self, instance: InstanceId) -> Vec<String> {
        let lines = futures_util::StreamExt::collect::<Vec<_>>(self.logs(Some(instance), false));
        self.run(lines.map(|lines| lines.into_iter().map(|line| line.text).collect()))
    }
}

fn spec(script: &str, image: Digest) -> GroupSpec {
    let (app, env) = (AppName::parse("hello").unwrap(), EnvName::parse("test").unwrap());
    let process = ProcessName::parse("web").unwrap();
    let params = DeploymentParams::parse(PARAMS).unwrap().resolve(&app, &env, &process, true);
    let number = GroupNumber(1);
    GroupSpec {
        id: GroupId::from_random([1; 4]),
        name: GroupName::new(&app, &env, &process, number),
        app,
        env,
        process,
        number,
        release: ReleaseId::of(b"keeping"),
        image,
        run: runs(script),
        params,
        user_data: UserData::default(),
        secrets: SecretVersions::new(),
    }
}

fn runs(script: &str) -> ImageProcess {
    ImageProcess {
        command: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
        port: 8080.try_into().ok(),
        uid: 65532,
        gid: 65532,
        writable: Vec::new(),
        capabilities: Vec::new(),
        stop: Stop { timeout: "1s".parse().unwrap(), ..Stop::default() },
        working_dir: None,
    }
}
