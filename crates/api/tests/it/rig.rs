//! A whole server in a temporary directory, and a client of it.

use crate::ports::{Baked, Catalogue, Committed, Counter, NoHooks, NoMetrics, Simulated, Ticking};
use futures_util::{Stream, StreamExt as _};
use kiln_api::App;
use kiln_bakery::Bakery;
use kiln_client::{Client, ClientError, Endpoint};
use kiln_deploy::{Fuse, Orchestrator, Ports};
use kiln_engine::sim::{Pace, SimEngine};
use kiln_names::{AppName, BaseName, Digest, EnvName, InstallId, InstanceId};
use kiln_protocol::bake::{BakeEvent, Baked as Bake, BaseEvent, ContextContent, ContextEntry};
use kiln_protocol::bake::{NewBake, NewBase};
use kiln_protocol::catalog::{NewApp, NewEnvironment};
use kiln_protocol::deployment::{Deployment, DeploymentEvent, Happening};
use kiln_protocol::{Code, Problem};
use kiln_store::Database;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

pub(crate) struct Rig {
    pub(crate) data: tempfile::TempDir,
    pub(crate) client: Client,
    pub(crate) engine: Arc<SimEngine>,
    pub(crate) app: Arc<App>,
}

impl Rig {
    /// A server on its socket, with nothing in it.
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = Arc::new(SimEngine::new(Pace::Instant));
        let app = Arc::new(assemble(data.path(), engine.clone()).await);
        app.orchestrator.recover().await.unwrap();
        let listener = kiln_api::bind_unix(&data.path().join("kiln.sock")).unwrap();
        tokio::spawn(kiln_api::serve_unix(listener, app.clone(), std::future::pending()));
        let client = Client::new(Endpoint::in_data(data.path()), None, Some("ada")).unwrap();
        Self { data, client, engine, app }
    }

    /// The same with an application, an environment and a base.
    pub(crate) async fn ready() -> Self {
        let rig = Self::start().await;
        rig.client.create_app(&NewApp { name: hello(), contact: None }).await.unwrap();
        let prod = NewEnvironment {
            name: prod(),
            engine: "local".to_owned(),
            settings: serde_json::Map::new(),
        };
        rig.client.create_env(&prod).await.unwrap();
        rig.base().await;
        rig
    }

    async fn base(&self) {
        let archive = rootfs();
        let digest = Digest::of(&archive);
        self.send(&digest, archive).await.unwrap();
        let name = BaseName::parse("small").unwrap();
        let new = NewBase::Rootfs { archive: digest };
        let events = self.client.bake_base(&name, &new).await.unwrap();
        let last = all(events).await.unwrap().pop().unwrap();
        assert!(matches!(last, BaseEvent::Baked(base) if base.name == name));
    }

    /// Serves it over TCP as well, where that token opens.
    pub(crate) async fn over_tcp(&self, token: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = self.app.clone();
        tokio::spawn(async move {
            kiln_api::serve_tcp(listener, app, token, std::future::pending()).await;
        });
        address
    }

    pub(crate) async fn send(&self, digest: &Digest, content: Vec<u8>) -> Result<(), ClientError> {
        let size = content.len() as u64;
        let content = futures_util::stream::iter([Ok(bytes::Bytes::from(content))]);
        self.client.put_blob(digest, size, content).await
    }

    /// Bakes an image with one file of the given content.
    pub(crate) async fn bake(&self, content: &str) -> Bake {
        self.send(&Digest::of(content.as_bytes()), content.into()).await.unwrap();
        let events = self.client.bake(&recipe(content)).await.unwrap();
        match all(events).await.unwrap().pop().unwrap() {
            BakeEvent::Baked(baked) => baked,
            other => panic!("{other:?}"),
        }
    }

    /// Follows a deployment to its end.
    pub(crate) async fn end_of(&self, deployment: &Deployment) -> Deployment {
        let events = self.client.watch(deployment.id, None).await.unwrap();
        ended(all(events).await.unwrap())
    }
}

async fn assemble(data: &Path, engine: Arc<SimEngine>) -> App {
    let database = Database::open(&data.join("kiln.db")).await.unwrap();
    let images = kiln_image::Store::open(&data.join("images")).unwrap();
    let configurations = kiln_config::Repositories::open(data.join("config")).unwrap();
    // What judges a push is the kiln program's own; here every push is fine.
    let git = kiln_config::SmartHttp::open(configurations.clone(), "/bin/true".into()).unwrap();
    let key = kiln_secrets::KeyFile::find(data, None);
    let random = |bytes: &mut [u8]| bytes.fill(7);
    let settings = kiln_secrets::Settings { database: database.clone(), key, random };
    let secrets = kiln_secrets::Vault::open(settings).await.unwrap();
    let install = InstallId::from_random([1, 2, 3]);
    let ids = || InstanceId::from_random([1, 2, 3, 4, 5, 6]);
    let settings = kiln_bakery::Settings::new("/nowhere".into(), install, None, ids);
    let bakery = Bakery::new(database.clone(), images.clone(), settings);
    let engines = Arc::new(Simulated(engine));
    let clock = Arc::new(Ticking::new());
    let ports = Ports {
        images: Arc::new(Baked { database: database.clone(), store: images.clone() }),
        configurations: Arc::new(Committed(configurations.clone())),
        catalog: Arc::new(Catalogue(database.clone())),
        engines: engines.clone(),
        hooks: Arc::new(NoHooks),
        metrics: Arc::new(NoMetrics),
        clock: clock.clone(),
        ids: Arc::new(Counter::default()),
        fuse: Fuse::none(),
    };
    let orchestrator = Orchestrator::new(database.clone(), ports);
    let backups =
        kiln_backup::Sources::open(data, database.clone(), configurations.clone(), images.clone());
    App {
        install,
        backups: backups.unwrap(),
        address: None,
        database,
        configurations,
        git,
        secrets,
        images,
        bakery,
        orchestrator,
        engines,
        // Nothing is behind it: what joins is known, and no table is sent.
        routers: kiln_keeper::Link::new(kiln_router::Control::new("/nowhere"), 1),
        runner: None,
        clock,
    }
}

pub(crate) fn hello() -> AppName {
    AppName::parse("hello").unwrap()
}

pub(crate) fn prod() -> EnvName {
    EnvName::parse("prod").unwrap()
}

/// A recipe that copies one file of the given content.
pub(crate) fn recipe(content: &str) -> NewBake {
    let recipe = "app = \"hello\"\n[image]\nbase = \"small\"\n\
                  copy = [{ from = \"text\", to = \"/srv/\" }]\n\
                  [process.web]\ncommand = [\"/bin/true\"]\nport = 8080\n";
    let digest = Digest::of(content.as_bytes());
    let content = ContextContent::File { digest, size: content.len() as u64 };
    let context = vec![ContextEntry { path: "text".to_owned(), mode: 0o644, content }];
    NewBake {
        app: hello(),
        version: None,
        recipe: Some(recipe.to_owned()),
        package: None,
        context,
        base: None,
        refresh: false,
        unnamed: false,
    }
}

/// A root file system with one program.
fn rootfs() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in
        [("bin/true", 0o755, "x"), ("etc/passwd", 0o644, "root:x:0:0::/:\n")]
    {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// All events of a stream, or what ended it.
pub(crate) async fn all<E>(
    mut events: impl Stream<Item = Result<E, ClientError>> + Unpin,
) -> Result<Vec<E>, ClientError> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event?);
    }
    Ok(seen)
}

/// The deployment that the last event holds.
pub(crate) fn ended(mut events: Vec<DeploymentEvent>) -> Deployment {
    match events.pop().map(|event| event.what) {
        Some(Happening::Ended { deployment }) => *deployment,
        other => panic!("{other:?} after {events:?}"),
    }
}

/// The problem that an answer is; anything else fails the test.
pub(crate) fn problem<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Problem(problem)) => *problem,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Code {
    problem(answer).code
}
