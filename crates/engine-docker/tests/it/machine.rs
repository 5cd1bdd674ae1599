//! A server's surroundings of a test's own: images, secrets, and one instance after another.

use kiln_engine::{GroupSpec, UserData};
use kiln_engine_docker::{DockerRuntime, EngineSettings, Settings};
use kiln_image::{Clamp, ImageConfig, Store};
use kiln_keeper::{Birth, NotLaunched, Runtime, Wish};
use kiln_names::{
    AppName, Digest, EnvName, GroupId, GroupName, GroupNumber, InstallId, InstanceId, ProcessName,
    ReleaseId, SecretName, SecretValue, SecretVersions,
};
use kiln_secrets::{By, KeyFile, Vault};
use kiln_store::catalog::{ApplicationRow, EnvironmentRow};
use kiln_store::{Database, catalog};
use kiln_tests::Docker;
use rand::Rng as _;
use serde_json::{Map, Value, json};
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Serves a page, and ends with a code of its own when it is asked to stop.
const SERVE: &str = "trap 'echo bye; exit 7' TERM
/bin/busybox httpd -p $PORT -h /www && echo started
while :; do /bin/busybox usleep 20000; done";

/// What a runtime needs.
pub(crate) struct Machine {
    data: TempDir,
    memory: TempDir,
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    install: InstallId,
    images: Store,
    image: Digest,
    pub(crate) engine: EngineSettings,
    /// What starts said.
    pub(crate) said: Mutex<Vec<String>>,
}

impl Machine {
    /// Surroundings for an engine that is set to this.
    pub(crate) async fn new(docker: &Docker, more: Value) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings = json!({"host": docker.host()});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let database = Database::open(&data.path().join("kiln.db")).await.unwrap();
        let images = Store::open(&data.path().join("images")).unwrap();
        let key = KeyFile::find(data.path(), None);
        let random = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
        let settings_of_vault = kiln_secrets::Settings { database: database.clone(), key, random };
        Self {
            image: image(&images),
            vault: Vault::open(settings_of_vault).await.unwrap(),
            install: InstallId::from_random(rand::random()),
            engine: EngineSettings::parse(settings.as_object().unwrap()).unwrap(),
            said: Mutex::default(),
            data,
            memory: tempfile::tempdir_in("/dev/shm").unwrap(),
            database,
            images,
        }
    }

    /// What Docker calls an instance.
    pub(crate) fn name(&self, birth: &Birth) -> String {
        format!("kiln-{}-{}", self.install, birth.id)
    }

    /// A runtime as a server of this machine begins it.
    pub(crate) async fn runtime(&self) -> Arc<DockerRuntime> {
        assert!(self.data.path().exists());
        let settings = Settings {
            install: self.install,
            env: EnvName::parse("prod").unwrap(),
            engine: self.engine.clone(),
            images: self.images.clone(),
            secrets: self.vault.clone(),
            memory: self.memory.path().join("secrets"),
            registry_token: None,
        };
        DockerRuntime::open(settings)
    }

    /// A group of the image whose processes serve a page.
    pub(crate) fn group(&self) -> GroupSpec {
        let (app, env) = (AppName::parse("hello").unwrap(), EnvName::parse("prod").unwrap());
        let process = ProcessName::parse("web").unwrap();
        let check =
            json!({"path": "/", "interval": "1s", "timeout": "5s", "unhealthyThreshold": 2});
        let params = json!({"min": 1, "max": 2, "desired": 1, "milliCpu": 200, "memory": "32MiB",
            "pids": 32, "routes": [], "healthCheck": check,
            "startupCheck": {"path": "/", "interval": "1s", "timeout": "30s"},
            "drainTimeout": "1s", "network": "isolated", "engine": {}});
        let run = json!({"command": ["/bin/busybox", "sh", "-c", SERVE], "port": 8080, "uid": 1000,
            "gid": 1000, "writable": ["/var/cache"], "stop": {"signal": "SIGTERM", "timeout": "5s"}});
        GroupSpec {
            id: GroupId::from_random(rand::random()),
            name: GroupName::new(&app, &env, &process, GroupNumber(1)),
            app,
            env,
            process,
            number: GroupNumber(1),
            release: ReleaseId::of(b"release"),
            image: self.image,
            run: serde_json::from_value(run).unwrap(),
            params: serde_json::from_value(params).unwrap(),
            user_data: UserData::default(),
            secrets: SecretVersions::default(),
        }
    }

    /// The image of all groups with one more layer, which says `line`.
    pub(crate) fn image_that_says(&self, line: &str) -> Digest {
        let staging = self.images.staging().unwrap();
        std::fs::create_dir(staging.root().join("www")).unwrap();
        std::fs::write(staging.root().join("www/index.html"), line).unwrap();
        let layer = self.images.commit_layer(staging, Clamp::from_start(UNIX_EPOCH)).unwrap();
        let below = self.images.image(&self.image).unwrap();
        let mut layers: Vec<Digest> = below.layers.iter().map(|layer| layer.diff_id).collect();
        layers.push(layer.diff_id);
        self.images.put_image(below.config, &layers).unwrap()
    }

    /// Keeps a secret of the group's application, and the version that it has.
    pub(crate) async fn secret(&self, name: &str, value: &str) -> SecretVersions {
        let by = By { who: "test".to_owned(), at_ms: 1 };
        let (app, env) = (self.group().app, self.group().env);
        let mut db = self.database.write().await.unwrap();
        let row = ApplicationRow { name: app.clone(), created_ms: 1, metadata: Map::new() };
        catalog::add_application(&mut db, &row, &by).await.unwrap();
        let (settings, metadata) = (Map::new(), Map::new());
        let (name_of_env, engine) = (env.clone(), "docker".to_owned());
        let row = EnvironmentRow { name: name_of_env, engine, settings, created_ms: 1, metadata };
        catalog::add_environment(&mut db, &row, &by).await.unwrap();
        db.commit().await.unwrap();
        let (name, value) = (SecretName::parse(name).unwrap(), value.as_bytes().to_vec());
        let value = SecretValue::new(value).unwrap();
        let set = self.vault.set((&app, &env), &name, &value, &by).await.unwrap();
        SecretVersions::from([(name, set.version)])
    }

    /// The instances whose values of secrets are kept in memory.
    pub(crate) fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.memory.path().join("secrets/prod")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// An instance of a group that has its place.
    pub(crate) async fn birth(&self, runtime: &DockerRuntime, spec: GroupSpec) -> Birth {
        runtime.prepare(&spec).await.unwrap();
        let mut db = self.database.write().await.unwrap();
        let address = runtime.reserve(&mut db, &spec).await.unwrap();
        let (spec, id) = (Arc::new(spec), InstanceId::from_random(rand::random()));
        Birth { spec, id, slot: 0, address, size: 1 }
    }

    /// Launches an instance that is wanted all the time.
    pub(crate) async fn launch(
        &self,
        runtime: &DockerRuntime,
        birth: &Birth,
    ) -> Result<SocketAddr, NotLaunched> {
        let say = |words: String| self.said.lock().unwrap().push(words);
        let wish = Wish { withdrawn: Box::pin(std::future::pending()), say: &say };
        runtime.launch(birth, wish).await
    }

    /// Waits for the end of an instance whose program is not there.
    pub(crate) async fn has_no_program(&self, runtime: &DockerRuntime, birth: &Birth) {
        soon("it ended", runtime.wait(birth.id)).await;
        let exit = runtime.exit(birth.id, None).await.unwrap();
        assert_eq!((exit.code, exit.cause.as_str()), (Some(127), "exited with code 127"));
        let (lines, _) = runtime.last_lines(birth.id, 5).await.unwrap();
        let program = &birth.spec.run.command[0];
        assert!(lines.iter().any(|line| line.contains(program)), "{lines:?}");
    }

    /// Launches an instance of the usual group, and waits until it serves.
    pub(crate) async fn running(&self, runtime: &DockerRuntime) -> Birth {
        let mut birth = self.birth(runtime, self.group()).await;
        birth.address = self.launch(runtime, &birth).await.unwrap();
        served(birth.address).await;
        birth
    }
}

/// An image with a page and what serves it.
fn image(store: &Store) -> Digest {
    let staging = store.staging().unwrap();
    let root = staging.root();
    for dir in ["bin", "www", "tmp", "proc", "sys", "dev", "run", "etc"] {
        std::fs::create_dir(root.join(dir)).unwrap();
    }
    std::fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777)).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    std::fs::write(root.join("www/index.html"), "hello").unwrap();
    let layer = store.commit_layer(staging, Clamp::from_start(UNIX_EPOCH)).unwrap();
    let config = ImageConfig { architecture: "amd64".to_owned(), ..ImageConfig::default() };
    store.put_image(config, &[layer.diff_id]).unwrap()
}

/// Waits until the page is served.
pub(crate) async fn served(address: SocketAddr) {
    let mut last = String::new();
    for _ in 0..200 {
        match get(address).await {
            Ok(page) if page.ends_with("hello") => return,
            other => last = format!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{address} does not serve: {last}");
}

async fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits for what should come soon.
pub(crate) async fn soon<T>(what: &str, task: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(30), task).await;
    done.unwrap_or_else(|_| panic!("waited 30 s until {what}"))
}
