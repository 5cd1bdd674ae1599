//! A local engine of its own for one test: data directory, router process, image.

use kiln_container::{Boot, Cgroups, Network};
use kiln_engine_docker::{DockerRuntime, EngineSettings};
use kiln_engine_local::{MachineSettings, Settings};
use kiln_image::{Clamp, ImageConfig, Store};
use kiln_keeper::{Keeper, Link, Scope};
use kiln_names::{Digest, EnvName, InstallId, InstanceId};
use kiln_router::Control;
use kiln_secrets::{KeyFile, Vault};
use kiln_store::Database;
use rand::Rng as _;
use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;
use std::fs::{DirEntry, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KILN: &str = env!("CARGO_BIN_EXE_kiln");

/// A request that takes until the test lets it go.
const SLOW: &str = "#!/bin/busybox sh
while [ ! -e /tmp/go ]; do usleep 5000; done
printf 'Content-Type: text/plain\\r\\n\\r\\nanswered in full'
";

/// Everything that one engine needs, gone when it is dropped.
pub(crate) struct Machine {
    data: TempDir,
    install: InstallId,
    network: Network,
    router: Child,
    pub(crate) image: Digest,
}

impl Machine {
    /// Prepares a machine whose image answers requests with what `page` says.
    pub(crate) fn new(page: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let install = InstallId::from_random(rand::random());
        std::fs::write(data.path().join("install"), install.to_string()).unwrap();
        let network = Network::ensure(install, None).unwrap();
        // As the server does, for its bakes: an install without it has drifted.
        network.ensure_bridge(Network::BAKE).unwrap();
        let router = start_router(data.path());
        let image = busybox_image(&Store::open(&data.path().join("images")).unwrap(), page);
        let machine = Self { data, install, network, router, image };
        machine.await_router();
        machine
    }

    /// Starts an engine on a runtime of its own: dropping that is the engine's sudden death.
    pub(crate) fn start_engine(&self) -> (Runtime, Keeper) {
        self.start(async |settings| kiln_engine_local::start(settings).await.unwrap().0)
    }

    /// The same, of an environment on a Docker Engine or a Swarm.
    pub(crate) fn start_docker(&self, env: &EnvName, engine: &EngineSettings) -> (Runtime, Keeper) {
        self.start(async |Settings { db, images, secrets, link, machine }| {
            let (env, engine, install) = (env.clone(), engine.clone(), machine.install);
            // Nothing is written there: no group of the suite has secrets.
            let memory = PathBuf::from("/dev/shm").join(install.to_string());
            let scope = Scope::Environment(env.clone());
            let runtime = DockerRuntime::open(kiln_engine_docker::Settings {
                install,
                env,
                engine,
                images,
                secrets,
                memory,
                registry_token: None,
            });
            let MachineSettings { now_ms, random, .. } = machine;
            let settings = kiln_keeper::Settings { db, runtime, link, scope, now_ms, random };
            Keeper::start(settings).await.unwrap()
        })
    }

    fn start(&self, begin: impl AsyncFnOnce(Settings) -> Keeper) -> (Runtime, Keeper) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let engine = runtime.block_on(async {
            let db = Database::open(&self.database()).await.unwrap();
            let secrets = self.vault(&db).await;
            let settings = self.settings(db, secrets).await;
            let link = settings.link.clone();
            let keeper = begin(settings).await;
            link.open();
            keeper
        });
        (runtime, engine)
    }

    /// The secrets of that database.
    pub(crate) async fn vault(&self, database: &Database) -> Vault {
        let (database, key) = (database.clone(), KeyFile::find(self.data.path(), None));
        let random = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
        Vault::open(kiln_secrets::Settings { database, key, random }).await.unwrap()
    }

    /// Where its database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.path().join("kiln.db")
    }

    async fn settings(&self, db: Database, secrets: Vault) -> Settings {
        let images = Store::open(&self.data.path().join("images")).unwrap();
        let machine = MachineSettings {
            install: self.install,
            program: PathBuf::from(KILN),
            instances: self.data.path().join("instances"),
            volumes: self.data.path().join("volumes"),
            boot_id: PathBuf::from(Boot::PATH),
            network: self.network.clone(),
            now_ms,
            random: rand::random,
        };
        let mut write = db.write().await.unwrap();
        let epoch = kiln_store::local::next_router_epoch(&mut write).await.unwrap();
        write.commit().await.unwrap();
        let link = Link::new(Control::new(self.router_socket()), epoch);
        Settings { db, images, secrets, link, machine }
    }

    /// The instances that have a directory, and those that have control groups.
    pub(crate) fn left(&self) -> (BTreeSet<InstanceId>, BTreeSet<InstanceId>) {
        let dirs = std::fs::read_dir(self.data.path().join("instances")).unwrap();
        let name = |entry: std::io::Result<DirEntry>| entry.unwrap().file_name();
        let id = |name: &str| name.trim_end_matches(".gone").parse().unwrap();
        let dirs = dirs.map(|entry| id(name(entry).to_str().unwrap()));
        (dirs.collect(), Cgroups::detect(self.install).unwrap().list().into_iter().collect())
    }

    /// Where the instance has its files.
    pub(crate) fn dir(&self, id: InstanceId) -> PathBuf {
        self.data.path().join("instances").join(id.to_string())
    }

    /// Kills the instance and its shim: nobody is left who could tell how it ended.
    pub(crate) fn kill(&self, id: InstanceId) {
        let state = self.state(id);
        // The shim first: it would record the end of the other.
        for pid in [&state["shim"]["pid"], &state["pid"]] {
            kill(pid.as_u64().unwrap(), Signal::KILL);
        }
    }

    /// Kills the instance, and makes what is known of it a thing of an earlier boot.
    pub(crate) fn lose_in_reboot(&self, id: InstanceId) {
        self.kill(id);
        let mut state = self.state(id);
        state["shim"]["boot_id"] = "5d0a1f0c-6a53-4a4b-a1c1-6f0f4d0f7a11".into();
        std::fs::write(self.dir(id).join("state.json"), state.to_string()).unwrap();
    }

    /// Writes down that the instance is to be replaced, as an engine does before it begins with that.
    pub(crate) fn mark_replacing(&self, id: InstanceId) {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let db = Database::open(&self.data.path().join("kiln.db")).await.unwrap();
            let mut write = db.write().await.unwrap();
            kiln_store::local::mark_replacing(&mut write, id).await.unwrap();
            write.commit().await.unwrap();
            db.close().await;
        });
    }

    /// The root directory of the instance as its own processes see it.
    pub(crate) fn root(&self, id: InstanceId) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.state(id)["pid"]))
    }

    fn state(&self, id: InstanceId) -> serde_json::Value {
        let text = std::fs::read(self.dir(id).join("state.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Makes the router deaf, or lets it hear again.
    pub(crate) fn pause_router(&self, paused: bool) {
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        kill(self.router.id().into(), signal);
    }

    /// What the router says for itself.
    pub(crate) fn router(&self) -> Control {
        Control::new(self.router_socket())
    }

    fn router_socket(&self) -> PathBuf {
        Path::new("/run/kiln").join(self.install.to_string()).join("router.sock")
    }

    fn await_router(&self) {
        until("the router listens", || self.router_socket().exists());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.router.kill().unwrap();
        self.router.wait().unwrap();
        let down = Command::new(KILN).args(["down", "--data"]).arg(self.data.path()).status();
        assert!(down.unwrap().success());
        assert!(Cgroups::detect(self.install).unwrap().list().is_empty());
    }
}

fn start_router(data: &Path) -> Child {
    Command::new(KILN)
        .args(["router", "--http", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// A static busybox whose web server answers `/` with `page`.
fn busybox_image(store: &Store, page: &str) -> Digest {
    let staging = store.staging().unwrap();
    let root = staging.root();
    for dir in ["bin", "www", "tmp", "proc", "sys", "dev", "run", "etc"] {
        std::fs::create_dir(root.join(dir)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::fs::write(root.join("www/index.html"), page).unwrap();
    // A page that each instance has or lacks, as the test wants.
    std::os::unix::fs::symlink("/tmp/page", root.join("www/page")).unwrap();
    std::fs::create_dir(root.join("www/cgi-bin")).unwrap();
    let slow = root.join("www/cgi-bin/slow");
    std::fs::write(&slow, SLOW).unwrap();
    std::fs::set_permissions(&slow, Permissions::from_mode(0o755)).unwrap();
    let layer = store.commit_layer(staging, Clamp::from_start(UNIX_EPOCH)).unwrap();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let config = ImageConfig { architecture: architecture.to_owned(), ..ImageConfig::default() };
    store.put_image(config, &[layer.diff_id]).unwrap()
}

fn kill(pid: u64, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited 30 s until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
