//! An install of its own for each test, with a tiny image.

use kiln_container::{
    Boot, Cgroups, ExitRecord, Instance, InstanceSpec, KILN_INIT, LaunchError, Network,
    NetworkMode, launch, log_files, wait,
};
use kiln_names::{InstallId, InstanceId};
use serde_json::json;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The binary that stands in for `kiln`.
pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_kiln-shim");
const BUSYBOX: &str = "/bin/busybox";
/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One install. Dropping it removes everything and checks that it is gone.
pub(crate) struct Lab {
    pub(crate) install: InstallId,
    pub(crate) dir: TempDir,
    pub(crate) cgroups: Cgroups,
    pub(crate) boot: Boot,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let install = InstallId::from_random(random());
        let dir = tempfile::tempdir().unwrap();
        make_image(&dir.path().join("image"));
        let cgroups = Cgroups::detect(install).unwrap();
        cgroups.create_roots().unwrap();
        Self { install, dir, cgroups, boot: Boot::current().unwrap() }
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// An instance that runs `script` in a shell, as a user without rights and without a network.
    pub(crate) fn shell(&self, script: &str) -> InstanceSpec {
        let command = ["/bin/sh", "-c", script];
        serde_json::from_value(json!({
            "v": 1, "install": self.install, "instance": InstanceId::from_random(random()),
            "root": {"lower": [self.image()]}, "command": command,
            "user": {"uid": 4242, "gid": 4343}, "hostname": "lab", "network": "loopback",
            "limits": {"memory": "64MiB", "cpu_millis": 1000, "pids": 64},
            "stop": {"signal": "SIGTERM", "timeout": "10s"},
        }))
        .unwrap()
    }

    /// The same instance under another id.
    pub(crate) fn again(&self, spec: &InstanceSpec) -> InstanceSpec {
        InstanceSpec { instance: InstanceId::from_random(random()), ..spec.clone() }
    }

    /// Puts a program of the machine's into the root of the image, with the libraries that it needs.
    pub(crate) fn install(&self, program: &str) {
        let put = |from: &Path, to: PathBuf| {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        };
        let name = Path::new(program).file_name().unwrap();
        put(Path::new(program), self.image().join(name));
        let needs = std::process::Command::new("ldd").arg(program).output().unwrap().stdout;
        let needs = String::from_utf8(needs).unwrap();
        for library in needs.split_whitespace().filter(|word| word.starts_with('/')) {
            let library = Path::new(library);
            put(library, self.image().join(library.strip_prefix("/").unwrap()));
        }
    }

    /// Puts `kiln-init` into the root of the image.
    pub(crate) fn install_init(&self) {
        let init = self.image().join("kiln-init");
        std::fs::write(&init, KILN_INIT).unwrap();
        std::fs::set_permissions(&init, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Where the instance's files are.
    pub(crate) fn place(&self, spec: &InstanceSpec) -> PathBuf {
        self.dir.path().join(spec.instance.to_string())
    }

    pub(crate) async fn try_launch(&self, spec: &InstanceSpec) -> Result<Instance, LaunchError> {
        let place = self.place(spec);
        std::fs::create_dir_all(&place).unwrap();
        spec.write(&place).unwrap();
        launch(Path::new(SHIM), &place).await
    }

    pub(crate) async fn launch(&self, spec: &InstanceSpec) -> Instance {
        self.try_launch(spec).await.unwrap()
    }

    /// Waits for the end of a started instance.
    pub(crate) async fn ended(&self, spec: &InstanceSpec, instance: &Instance) -> ExitRecord {
        tokio::time::timeout(PATIENCE, wait(&instance.shim, &self.boot)).await.unwrap().unwrap();
        kiln_container::exit_record(&self.place(spec))
            .unwrap()
            .expect("an ended shim left a record")
    }

    /// Runs an instance from beginning to end.
    pub(crate) async fn run(&self, spec: &InstanceSpec) -> (ExitRecord, String) {
        let instance = self.launch(spec).await;
        let record = self.ended(spec, &instance).await;
        (record, self.log(spec))
    }

    /// What was logged, without times: `stdout F text` per line.
    pub(crate) fn log(&self, spec: &InstanceSpec) -> String {
        let texts = log_files(&self.place(spec)).into_iter().map(std::fs::read_to_string);
        let text: String = texts.map(Result::unwrap).collect();
        text.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned() + "\n")).collect()
    }

    pub(crate) async fn until_logged(&self, spec: &InstanceSpec, text: &str) {
        until(text, || self.log(spec).contains(text)).await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for instance in self.cgroups.list() {
            self.cgroups.kill(&instance).unwrap();
            self.cgroups.remove(&instance).unwrap();
        }
        Network::remove_all(self.install).unwrap();
        self.cgroups.remove_roots().unwrap();
        let left = leftovers(self.install, self.dir.path());
        // A failed test has said enough.
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:?}");
    }
}

/// Mounts, links, control groups and processes that still bear the install's name.
pub(crate) fn leftovers(install: InstallId, dir: &Path) -> Vec<String> {
    let mut left = Vec::new();
    let dir = dir.to_str().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(dir)).map(str::to_owned));
    let links = std::fs::read_dir("/sys/class/net").unwrap();
    let names = links.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    left.extend(names.filter(|name| name.contains(&install.to_string())));
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(dir) {
            left.push(command);
        }
    }
    left
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The field of `/proc/PID/status`.
pub(crate) fn status(pid: i32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.unwrap().to_owned()
}

pub(crate) fn isolated(bridge: &kiln_container::Bridge, host: u8) -> NetworkMode {
    NetworkMode::Isolated(bridge.attach(host).unwrap())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Busybox and its links, and nothing else: no `/proc`, no `/tmp`, no `/etc`.
fn make_image(at: &Path) {
    std::fs::create_dir_all(at.join("bin")).unwrap();
    std::fs::copy(BUSYBOX, at.join("bin/busybox")).expect("tests need busybox-static");
    let applets = std::process::Command::new(BUSYBOX).arg("--list").output().unwrap().stdout;
    for applet in String::from_utf8(applets).unwrap().lines().filter(|it| *it != "busybox") {
        std::os::unix::fs::symlink("busybox", at.join("bin").join(applet)).unwrap();
    }
}
