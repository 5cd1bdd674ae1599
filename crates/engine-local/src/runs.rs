//! Runs: instances that somebody watches, that nothing records, and that end with whoever watches
//! them.
//!
//! A run's directory lies among those of the instances. No row of the database answers for it, so
//! that whatever a server leaves behind that dies is swept away by the next one.

mod lines;
mod pump;

use crate::addresses::Segment;
use crate::inner::Inner;
use crate::{LocalRuntime, exits, frozen};
use kiln_container::{Attached, ProcessIdent};
use kiln_engine::{EngineError, Run, RunEvent, RunSpec, Runner, TooManyRuns};
use kiln_keeper::{FIRST_TABLE, chain, never_started};
use kiln_names::{Digest, InstanceId, SecretValue};
use kiln_store::{StoreError, local};
use pump::Pump;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many runs there may be at once: as many as people at one machine.
const MAX_RUNS: usize = 16;
/// How many lines wait for a slow reader; then the run waits as well. With the longest lines that is
/// 1 MiB of each run.
const QUEUE: usize = 16;
/// How long a run waits for a router that has to forget the addresses of an earlier server.
const ROUTER_GRACE: Duration = Duration::from_secs(10);

/// The runs of this server.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<HashMap<InstanceId, Live>>);

/// A run in progress.
#[derive(Debug)]
struct Live {
    image: Digest,
    /// Its shim, once there is one.
    shim: Option<ProcessIdent>,
    /// Whether it was asked to stop.
    stopping: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl Runner for LocalRuntime {
    async fn run(&self, spec: RunSpec) -> Result<Run, TooManyRuns> {
        let id = self.inner.machine.new_instance_id();
        let (events, hear) = mpsc::channel(QUEUE);
        let stopping = self.inner.runs.admit(id, spec.image)?;
        let task = Task { inner: self.inner.clone(), id, spec, events, stopping };
        self.inner.spawn(task.go());
        Ok(Run { id, events: hear })
    }

    async fn stop(&self, run: InstanceId) -> Result<(), EngineError> {
        if self.inner.runs.stop(&self.inner, run) {
            return Ok(());
        }
        Err(EngineError::not_found(format!("there is no run {run}")))
    }

    fn images(&self) -> BTreeSet<Digest> {
        self.inner.runs.live().values().map(|run| run.image).collect()
    }
}

impl Runs {
    fn live(&self) -> MutexGuard<'_, HashMap<InstanceId, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs there are.
    pub(crate) fn ids(&self) -> Vec<InstanceId> {
        self.live().keys().copied().collect()
    }

    fn admit(&self, id: InstanceId, image: Digest) -> Result<watch::Receiver<bool>, TooManyRuns> {
        let mut live = self.live();
        if live.len() >= MAX_RUNS {
            return Err(TooManyRuns { limit: MAX_RUNS });
        }
        let (stopping, hear) = watch::channel(false);
        live.insert(id, Live { image, shim: None, stopping });
        Ok(hear)
    }

    /// Asks a run to stop; false when there is none.
    fn stop(&self, inner: &Inner, id: InstanceId) -> bool {
        let live = self.live();
        let Some(run) = live.get(&id) else { return false };
        run.stopping.send_replace(true);
        if let Some(shim) = &run.shim
            && let Err(error) = kiln_container::signal_stop(shim, &inner.machine.boot)
        {
            tracing::warn!(run = %id, %error, "failed to ask a shim to stop");
        }
        true
    }

    /// Notes the shim; whoever asked for the end before there was one gets it now.
    fn runs(&self, inner: &Inner, id: InstanceId, shim: &ProcessIdent) {
        let asked = self.live().get_mut(&id).is_some_and(|run| {
            run.shim = Some(shim.clone());
            *run.stopping.borrow()
        });
        if asked {
            self.stop(inner, id);
        }
    }
}

/// What carries one run from its beginning to the removal of what is left of it.
struct Task {
    inner: Arc<Inner>,
    id: InstanceId,
    spec: RunSpec,
    events: mpsc::Sender<Result<RunEvent, EngineError>>,
    stopping: watch::Receiver<bool>,
}

/// Why a run did not start. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Refused(String),
    #[error("find an address: {0}")]
    Address(#[from] crate::addresses::AddressError),
    #[error("find an address: {}", chain(.0))]
    Store(#[from] StoreError),
    #[error("find an address: the router does not answer")]
    Router,
}

impl Task {
    async fn go(self) {
        let segment = self.spec.env.as_ref().map_or(Segment::Runs, Segment::from);
        let last = match self.take_address(&segment).await {
            Ok(address) => {
                let last = self.play(&segment, address).await;
                self.clean().await;
                self.inner.machine.addresses.release(address);
                last
            }
            Err(error) => Err(error),
        };
        self.inner.runs.live().remove(&self.id);
        let last = last.map_err(|error| match error {
            StartError::Refused(why) => EngineError::permanent(why),
            other => EngineError::retry(other.to_string()),
        });
        // Nobody may be left to be told.
        drop(self.events.send(last).await);
    }

    async fn take_address(&self, segment: &Segment) -> Result<SocketAddr, StartError> {
        let (inner, spec) = (&self.inner, &self.spec);
        if spec.env.is_some() {
            // As for instances: the router may still send requests to what the server before gave
            // back.
            let first = inner.link.in_force_here(FIRST_TABLE);
            tokio::time::timeout(ROUTER_GRACE, first).await.map_err(|_| StartError::Router)?;
        }
        let place = place(inner, spec).await?;
        Ok(inner.machine.addresses.take(segment, place, spec.network, spec.run.port)?)
    }

    async fn play(&self, segment: &Segment, address: SocketAddr) -> Result<RunEvent, StartError> {
        let attached = self.start(segment, address).await.map_err(StartError::Refused)?;
        self.inner.runs.runs(&self.inner, self.id, &attached.instance().shim);
        let listens = self.spec.run.port.map(|_| address);
        // The first of its events finds room, or nobody there.
        drop(self.events.send(Ok(RunEvent::Started { address: listens })).await);
        let pump = Pump::new(self.events.clone(), self.stopping.clone());
        let ended = tokio::select! {
            ended = pump.run(attached) => ended,
            never = self.stop_when_unwatched() => match never {},
        };
        let dropped = ended.dropped;
        let at_ms = self.inner.machine.now_ms();
        let exit = match ended.record {
            Ok(record) => exits::of_record(Some(self.spec.memory), record, at_ms),
            Err(error) => never_started(chain(&error), at_ms),
        };
        Ok(RunEvent::Ended { exit, dropped })
    }

    /// The end itself comes from the other side.
    async fn stop_when_unwatched(&self) -> Infallible {
        self.events.closed().await;
        self.inner.runs.stop(&self.inner, self.id);
        std::future::pending().await
    }

    async fn start(&self, segment: &Segment, address: SocketAddr) -> Result<Attached, String> {
        let _turn = self.inner.run_launches.acquire().await.map_err(|e| e.to_string())?;
        let dir = self.dir();
        let (inner, id, spec) = (self.inner.clone(), self.id, self.spec.clone());
        let (segment, to) = (segment.clone(), dir.clone());
        let write = move || frozen::write_run(&inner, (id, &spec), (&segment, address), &to);
        tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())??;
        let secrets = self.secrets().await?;
        let attached = kiln_container::attach(&self.inner.machine.program, &dir, &secrets).await;
        attached.map_err(|error| chain(&error))
    }

    /// The values that it starts with; kept by nobody.
    async fn secrets(&self) -> Result<Vec<SecretValue>, String> {
        let (Some(app), Some(env)) = (&self.spec.app, &self.spec.env) else {
            return Ok(Vec::new());
        };
        let opened = self.inner.secrets.open_all(app, env, &self.spec.secrets).await;
        opened.map_err(|error| format!("failed to {}", chain(&error)))
    }

    async fn clean(&self) {
        let (inner, id) = (self.inner.clone(), self.id);
        let cleaned = tokio::task::spawn_blocking(move || inner.machine.clean(id)).await;
        if let Ok(Err(error)) = cleaned {
            tracing::error!(run = %id, %error, "failed to clean up a run");
        }
    }

    fn dir(&self) -> PathBuf {
        self.inner.machine.instance_dir(self.id)
    }
}

async fn place(inner: &Inner, spec: &RunSpec) -> Result<u32, StoreError> {
    let mut db = inner.db.write().await?;
    let place = match &spec.env {
        Some(env) => local::network_place(&mut db, env).await?,
        None => local::network_place_of_runs(&mut db).await?,
    };
    db.commit().await?;
    Ok(place)
}
