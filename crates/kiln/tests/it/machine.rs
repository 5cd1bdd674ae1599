//! A local engine of its own for one test: data directory, router process, image.

use kiln_container::{Cgroups, Network};
use kiln_engine_local::{LocalEngine, MachineSettings, Settings};
use kiln_image::{Clamp, ImageConfig, Store};
use kiln_names::{Digest, InstallId};
use kiln_store::Database;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KILN: &str = env!("CARGO_BIN_EXE_kiln");

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
        let router = start_router(data.path());
        let image = busybox_image(&Store::open(&data.path().join("images")).unwrap(), page);
        let machine = Self { data, install, network, router, image };
        machine.await_router();
        machine
    }

    /// Starts an engine on a runtime of its own: dropping that is the engine's sudden death.
    pub(crate) fn start_engine(&self, boot_id: &Path) -> (Runtime, LocalEngine) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let settings = self.settings(boot_id);
        let engine = runtime.block_on(async {
            let db = Database::open(&self.data.path().join("kiln.db")).await.unwrap();
            LocalEngine::start(settings(db)).await.unwrap()
        });
        (runtime, engine)
    }

    fn settings(&self, boot_id: &Path) -> impl FnOnce(Database) -> Settings + use<> {
        let images = Store::open(&self.data.path().join("images")).unwrap();
        let machine = MachineSettings {
            install: self.install,
            program: PathBuf::from(KILN),
            instances: self.data.path().join("instances"),
            boot_id: boot_id.to_owned(),
            network: self.network.clone(),
            now_ms,
            random: rand::random,
        };
        let router = self.router_socket();
        move |db| Settings { db, images, router, machine }
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
    let layer = store.commit_layer(staging, Clamp::from_start(UNIX_EPOCH)).unwrap();
    store.put_image(ImageConfig::default(), &[layer.diff_id]).unwrap()
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
