//! A router under test: its own sockets, its own directory, its own clean-up.

use crate::backend::Backend;
use kiln_names::{GroupId, InstanceId, Route, Span};
use kiln_router::{
    Check, CheckKind, Cluster, Control, Endpoint, Group, Health, InstanceStatus, Settings, Socket,
    StartupCheck, Status, Table, run,
};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Long enough for anything here on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running router.
pub(crate) struct Router {
    pub(crate) control: Control,
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Router {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// Starts in a directory that may hold a last table.
    pub(crate) async fn start_in(dir: TempDir) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = settings(dir.path());
        let control = Control::new(&settings.control);
        let task = tokio::spawn(async move {
            run(settings, async { drop(stopped.await) }).await.unwrap();
        });
        let deadline = Instant::now() + DEADLINE;
        let address = loop {
            match control.status(None, Duration::ZERO).await {
                Ok(status) => break status.listen,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        Self { control, address, dir, stop, task }
    }

    /// Stops in order and gives the directory back.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.dir
    }

    /// Applies the table and waits until all instances in it are healthy.
    pub(crate) async fn serve(&self, table: &Table) {
        self.control.apply(table).await.unwrap();
        self.until("all are healthy", |status| {
            status.instances.iter().all(|one| one.draining || one.health == Health::Healthy)
        })
        .await;
    }

    pub(crate) async fn status(&self) -> Status {
        self.control.status(None, Duration::ZERO).await.unwrap()
    }

    /// Waits for a status, by the change sequence and, as figures do not move that, at 10 ms.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + DEADLINE;
        let mut status = self.status().await;
        while !is(&status) {
            assert!(Instant::now() < deadline, "never happened: {what}; at last {status:#?}");
            let wait = Duration::from_millis(10);
            status = self.control.status(Some(status.seq), wait).await.unwrap();
        }
        status
    }
}

pub(crate) fn settings(dir: &Path) -> Settings {
    Settings {
        socket: Socket::Address("127.0.0.1:0".parse().unwrap()),
        locks: Vec::new(),
        control: dir.join("r.sock"),
        state_dir: dir.join("state"),
        drain_timeout: Duration::from_secs(5),
        linger: Duration::from_secs(20),
    }
}

/// A cluster of one route and some groups, each of a weight and some instances.
pub(crate) fn cluster(name: &str, route: &str, groups: &[(u32, &[&Backend])]) -> Cluster {
    let (host, path) = route.split_once('/').unwrap_or((route, ""));
    let path = format!("/{path}");
    let route: Route =
        serde_json::from_value(serde_json::json!({"host": host, "path": path})).unwrap();
    let group = |(weight, backends): &(u32, &[&Backend])| Group {
        id: group_id(backends[0]),
        weight: *weight,
        instances: backends.iter().map(|backend| endpoint(backend)).collect(),
    };
    Cluster {
        name: name.to_owned(),
        routes: vec![route],
        groups: groups.iter().map(group).collect(),
    }
}

/// The group of a backend that is the first in it.
pub(crate) fn group_id(backend: &Backend) -> GroupId {
    GroupId::from_random(u32::from(backend.address.port()).to_be_bytes())
}

pub(crate) fn instance_id(backend: &Backend) -> InstanceId {
    let [high, low] = backend.address.port().to_be_bytes();
    InstanceId::from_random([0, 0, 0, 0, high, low])
}

pub(crate) fn endpoint(backend: &Backend) -> Endpoint {
    Endpoint { id: instance_id(backend), address: backend.address, check: check() }
}

/// Checks quick enough for tests, on a path of their own.
pub(crate) fn check() -> Check {
    Check {
        kind: CheckKind::Http,
        path: "/live".to_owned(),
        interval: Span::millis(50),
        timeout: Span::seconds(5),
        unhealthy_threshold: 2,
        startup: StartupCheck {
            kind: CheckKind::Http,
            path: "/ready".to_owned(),
            interval: Span::millis(50),
            timeout: Span::seconds(60),
        },
    }
}

pub(crate) fn table(version: u64, clusters: Vec<Cluster>) -> Table {
    Table { epoch: 1, version, clusters }
}

/// One cluster for `a.localhost` with all weight on one group.
pub(crate) fn one(version: u64, backends: &[&Backend]) -> Table {
    table(version, vec![cluster("a/test/web", "a.localhost", &[(1, backends)])])
}

/// What a status says of a backend.
pub(crate) fn of<'a>(status: &'a Status, backend: &Backend) -> Option<&'a InstanceStatus> {
    status.instances.iter().find(|one| one.id == instance_id(backend))
}

/// The health of a backend, if the router knows it.
pub(crate) fn health(status: &Status, backend: &Backend) -> Option<Health> {
    of(status, backend).map(|one| one.health)
}
