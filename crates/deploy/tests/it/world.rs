//! A whole small world: applications, images, configuration, an engine in memory, a real database.

use kiln_deploy::ports::{
    ApplicationFacts, Catalog, Clock, Configurations, Engines, HookCall, HookState, HookTask,
    Hooks, Ids, ImageFacts, Images, Measured, Metrics, Provider,
};
use kiln_deploy::view::Deployment;
use kiln_deploy::{Ask, Deploy, Fuse, Orchestrator, Ports, Problem, Request, Target, Why};
use kiln_engine::sim::{Pace, SimEngine};
use kiln_engine::{Engine, Observation};
use kiln_names::{
    AppName, CommitId, DeploymentId, Digest, EnvName, GroupId, ImageRef, ProcessName,
};
use kiln_protocol::catalog::Finding;
use kiln_protocol::configuration::{Configuration, HookPoint, HttpUrl};
use kiln_protocol::deployment::Difference;
use kiln_protocol::recipe::{ImageProcess, Processes, Stop};
use kiln_store::Database;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) engine: Arc<SimEngine>,
    pub(crate) library: Arc<Library>,
    pub(crate) db: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hooks: Arc<Scripted>,
    pub(crate) metrics: Arc<Known>,
    _dir: tempfile::TempDir,
}

/// What was baked and configured.
#[derive(Debug, Default)]
pub(crate) struct Library {
    pub(crate) images: Mutex<BTreeMap<String, (Digest, ImageFacts)>>,
    pub(crate) commits: Mutex<Vec<(CommitId, [String; 3])>>,
    pub(crate) blocked: Mutex<Option<String>>,
    provider: Mutex<Option<Provider>>,
    ids: AtomicU32,
}

/// Hooks that end as they are told to.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    /// Those that began, in order.
    pub(crate) begun: Mutex<Vec<(HookCall, HookTask)>>,
    pub(crate) stopped: Mutex<Vec<HookPoint>>,
    pub(crate) failing: Mutex<Option<HookPoint>>,
    pub(crate) hanging: Mutex<Option<HookPoint>>,
}

#[async_trait::async_trait]
impl Hooks for Scripted {
    async fn look(&self, call: &HookCall, task: HookTask) -> HookState {
        let mut begun = self.begun.lock().unwrap();
        if !begun.iter().any(|(known, _)| known == call) {
            begun.push((*call, task));
            return HookState::Runs { last: None };
        }
        if *self.hanging.lock().unwrap() == Some(call.point) {
            return HookState::Runs { last: Some("still at it".to_owned()) };
        }
        let well = *self.failing.lock().unwrap() != Some(call.point);
        let cause = format!("exited with code {}", u8::from(!well));
        HookState::Ended { well, cause, lines: vec!["1 table".to_owned(), "2 tables".to_owned()] }
    }

    async fn stop(&self, call: &HookCall) -> Vec<String> {
        self.stopped.lock().unwrap().push(call.point);
        vec!["still at it".to_owned()]
    }
}

/// Figures that are known; of all others there are none.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) values: Mutex<HashMap<String, Measured>>,
    /// What was asked, in order.
    pub(crate) asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Metrics for Known {
    async fn value(&self, url: &HttpUrl, query: &str) -> Measured {
        assert_eq!(url.as_str(), "http://prometheus:9090");
        self.asked.lock().unwrap().push(query.to_owned());
        let known = self.values.lock().unwrap().get(query).cloned();
        known.unwrap_or_else(|| Measured::Nothing("there is no such series".to_owned()))
    }
}

/// A clock on which a second passes in ten milliseconds.
#[derive(Debug)]
pub(crate) struct FastClock(pub(crate) Instant);

const SPEED: u32 = 100;

/// A clock on which a second takes a second.
#[derive(Debug)]
pub(crate) struct PlainClock(pub(crate) Instant);

#[async_trait::async_trait]
impl Clock for PlainClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[async_trait::async_trait]
impl Clock for FastClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + u64::try_from((self.0.elapsed() * SPEED).as_millis()).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time / SPEED).await;
    }
}

/// A database in which there is nothing yet, so that not every history makes its tables.
static EMPTY: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();

async fn empty_database() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kiln.db");
    Database::open(&path).await.unwrap().close().await;
    std::fs::read(path).unwrap()
}

pub(crate) fn target() -> Target {
    Target { app: "hello".parse().unwrap(), env: "prod".parse().unwrap() }
}

pub(crate) fn why() -> Why {
    Why { who: "ann".to_owned(), message: "because".to_owned() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Pace::Instant, Arc::new(FastClock(Instant::now()))).await
    }

    pub(crate) async fn with(pace: Pace, clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        Self::on(dir, db, pace, clock)
    }

    /// One in which everybody waits for his turn on a stage, and its database for whoever does not.
    #[expect(clippy::disallowed_methods, reason = "a history needs no disk, and chooses the order")]
    pub(crate) async fn staged(stage: Arc<crate::histories::Stage>) -> (Self, Database) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiln.db");
        std::fs::write(&path, EMPTY.get_or_init(empty_database).await).unwrap();
        let db = Database::open_unsynced(&path).await.unwrap();
        let turned = db.clone().with_turns(stage.clone());
        (Self::on(dir, turned, Pace::Stepped, stage), db)
    }

    fn on(dir: tempfile::TempDir, db: Database, pace: Pace, clock: Arc<dyn Clock>) -> Self {
        let engine = Arc::new(SimEngine::new(pace));
        let library = Arc::new(Library::default());
        *library.provider.lock().unwrap() = Some(Provider {
            engine: engine.clone(),
            traffic: engine.clone(),
            architecture: Some("amd64".to_owned()),
        });
        let (hooks, metrics) = (Arc::default(), Arc::default());
        let world = Self { engine, library, db, clock, hooks, metrics, _dir: dir };
        for version in ["1", "2", "3"] {
            world.bake(version, &["web"]);
        }
        world.configure("{}", "[]", "{}");
        world
    }

    /// Adds an image of the given processes; all but workers have a port.
    pub(crate) fn bake(&self, version: &str, processes: &[&str]) -> Digest {
        let process = |name: &&str| {
            let process: ProcessName = name.parse().unwrap();
            let run = ImageProcess {
                command: vec![format!("/bin/{name}")],
                port: NonZeroU16::new(8080).filter(|_| *name != "worker"),
                uid: 65_532,
                gid: 65_532,
                writable: Vec::new(),
                capabilities: Vec::new(),
                stop: Stop::default(),
                working_dir: None,
            };
            (process, run)
        };
        let processes: Processes<ImageProcess> = processes.iter().map(process).collect();
        let facts = ImageFacts {
            app: Some(target().app),
            processes,
            architecture: "amd64".to_owned(),
            embargo: None,
            foreign: None,
        };
        let digest = Digest::of(version.as_bytes());
        self.library.images.lock().unwrap().insert(version.to_owned(), (digest, facts));
        digest
    }

    /// Commits the three files.
    pub(crate) fn configure(&self, properties: &str, launch: &str, params: &str) -> CommitId {
        let mut commits = self.library.commits.lock().unwrap();
        let commit = CommitId::parse(&format!("{:040x}", commits.len() + 1)).unwrap();
        commits.push((commit, [properties, launch, params].map(str::to_owned)));
        commit
    }

    pub(crate) fn ports(&self, fuse: Fuse) -> Ports {
        Ports {
            images: self.library.clone(),
            configurations: self.library.clone(),
            catalog: self.library.clone(),
            engines: self.library.clone(),
            hooks: self.hooks.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            ids: self.library.clone(),
            fuse,
        }
    }

    /// A server that has just started.
    pub(crate) async fn start(&self) -> Orchestrator {
        self.start_with(Fuse::none()).await
    }

    pub(crate) async fn start_with(&self, fuse: Fuse) -> Orchestrator {
        let orchestrator = Orchestrator::new(self.db.clone(), self.ports(fuse));
        orchestrator.recover().await.unwrap();
        orchestrator
    }

    /// The groups that take requests, by name, with their weights.
    pub(crate) async fn serving(&self, orchestrator: &Orchestrator) -> Vec<String> {
        let weights: HashMap<GroupId, u32> =
            self.engine.weights(&target().app, &target().env).into_iter().collect();
        let running = orchestrator.status(&target()).await.unwrap();
        let mut names: Vec<String> = running
            .groups
            .iter()
            .filter(|group| weights.contains_key(&group.id))
            .map(|group| group.name.to_string())
            .collect();
        names.sort();
        names
    }

    /// What the engine shows.
    pub(crate) async fn seen(&self) -> Observation {
        self.engine.observe(None).await.unwrap()
    }

    /// Once a healthy group of full size took the requests of a process, one always did.
    pub(crate) fn assert_always_served(&self) {
        let mut served: HashMap<String, bool> = HashMap::new();
        for moment in self.engine.moments() {
            let mut now: HashMap<String, bool> = HashMap::new();
            for group in &moment.serving {
                let cluster = format!("{} in {}", group.process, group.env);
                *now.entry(cluster).or_default() |= group.carries();
            }
            for (process, was) in &served {
                let is = now.get(process).copied().unwrap_or(false);
                assert!(is || !was, "{process} lost its last healthy group: {moment:#?}");
            }
            served.extend(now.into_iter().filter(|(_, carries)| *carries));
        }
    }
}

pub(crate) fn image(version: &str) -> Deploy {
    let image = ImageRef::parse(&format!("hello:{version}")).unwrap();
    Deploy { image: Some(image), ..Deploy::default() }
}

pub(crate) fn request(ask: Ask) -> Request {
    Request { target: target(), ask, why: why() }
}

/// Begins and waits until it rests.
pub(crate) async fn finish(orchestrator: &Orchestrator, ask: Ask) -> Deployment {
    let id = orchestrator.begin(request(ask)).await.unwrap();
    rest(orchestrator, id).await
}

pub(crate) async fn deploy(orchestrator: &Orchestrator, version: &str) -> Deployment {
    finish(orchestrator, Ask::Deploy(image(version))).await
}

pub(crate) async fn rest(orchestrator: &Orchestrator, id: DeploymentId) -> Deployment {
    let rests = tokio::time::timeout(PATIENCE, orchestrator.wait(id)).await;
    match rests {
        Ok(deployment) => deployment.unwrap(),
        Err(_) => panic!("not at rest: {:#?}", orchestrator.deployment(id).await.unwrap().actions),
    }
}

/// Shows a line to whoever looks at the output of a test.
#[expect(clippy::print_stderr, reason = "a test has nobody else to tell")]
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}

/// Polls until something is so.
pub(crate) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[async_trait::async_trait]
impl Images for Library {
    async fn resolve(&self, image: &ImageRef) -> Result<Digest, Problem> {
        let images = self.images.lock().unwrap();
        let ImageRef::Version(_, version) = image else {
            return Err(Problem::not_found("only versions are known here"));
        };
        let known = images.get(version.as_str());
        known.map(|(digest, _)| *digest).ok_or_else(|| Problem::not_found(format!("no {image}")))
    }

    async fn newest(&self, app: &AppName) -> Result<Option<(Digest, String)>, Problem> {
        let images = self.images.lock().unwrap();
        Ok(images.iter().next_back().map(|(name, (digest, _))| (*digest, format!("{app}:{name}"))))
    }

    async fn facts(&self, image: &Digest, _env: Option<&EnvName>) -> Result<ImageFacts, Problem> {
        let images = self.images.lock().unwrap();
        let known = images.values().find(|(digest, _)| digest == image);
        known.map(|(_, facts)| facts.clone()).ok_or_else(|| Problem::not_found("no such image"))
    }

    /// Every image has another version of one package.
    async fn package_changes(
        &self,
        old: &Digest,
        new: &Digest,
    ) -> Result<Vec<Difference>, Problem> {
        let change = Difference {
            kind: "packages".to_owned(),
            name: "libpq5".to_owned(),
            old: Some(old.short()),
            new: Some(new.short()),
        };
        Ok(if old == new { Vec::new() } else { vec![change] })
    }
}

#[async_trait::async_trait]
impl Configurations for Library {
    async fn pin(&self, _target: &Target, revision: Option<&str>) -> Result<CommitId, Problem> {
        let commits = self.commits.lock().unwrap();
        match revision {
            None => Ok(commits.last().unwrap().0),
            Some(text) => CommitId::parse(text).map_err(|e| Problem::not_found(e.to_string())),
        }
    }

    async fn read(&self, _target: &Target, commit: CommitId) -> Result<Configuration, Problem> {
        let commits = self.commits.lock().unwrap();
        let (_, [properties, launch, params]) =
            commits.iter().find(|(known, _)| *known == commit).unwrap();
        let parsed = Configuration::parse(properties, launch, params);
        parsed.map_err(|e| Problem::invalid(e.to_string()))
    }
}

#[async_trait::async_trait]
impl Catalog for Library {
    async fn application(&self, app: &AppName) -> Result<Option<ApplicationFacts>, Problem> {
        let blocked = self.blocked.lock().unwrap().clone();
        let judgement = Some("Does it greet?".to_owned());
        Ok((app.as_str() != "unknown").then_some(ApplicationFacts { blocked, judgement }))
    }

    async fn has_environment(&self, env: &EnvName) -> Result<bool, Problem> {
        Ok(env.as_str() != "unknown")
    }
}

#[async_trait::async_trait]
impl Engines for Library {
    async fn of(&self, _env: &EnvName) -> Result<Provider, Problem> {
        Ok(self.provider.lock().unwrap().clone().unwrap())
    }

    fn accept(
        &self,
        _engine: &str,
        _settings: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), Problem> {
        Ok(())
    }

    async fn check(&self, _env: &EnvName) -> Result<Vec<Finding>, Problem> {
        Ok(Vec::new())
    }

    async fn forget(&self, _env: &EnvName) {}
}

impl Ids for Library {
    fn deployment(&self) -> DeploymentId {
        let [a, b, c, d] = self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        DeploymentId::from_random([0xde, 0, a, b, c, d])
    }

    fn group(&self) -> GroupId {
        GroupId::from_random(self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes())
    }
}
