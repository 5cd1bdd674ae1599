//! One instance's life: recorded, launched, watched until it ends, recorded again, cleaned up.

use crate::inner::Inner;
use crate::labels::Labels;
use crate::model::{PORTLESS_START, Phase};
use crate::{exits, frozen, usage};
use kiln_container::ProcessIdent;
use kiln_engine::{Exit, GroupSpec};
use kiln_names::{InstanceId, SecretValue};
use kiln_store::peaks::{self, PeakRow};
use kiln_store::{StoreError, local, releases};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many of its last log lines outlive an instance.
const LAST_LINES: usize = 200;
/// How long the cleaning of an ended instance waits for a router that is away.
const ROUTER_GRACE: Duration = Duration::from_secs(30);
/// How long to wait when the database or the kernel refused.
const RETRY: Duration = Duration::from_secs(1);

/// What an instance is started from.
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    pub(crate) spec: Arc<GroupSpec>,
    pub(crate) id: InstanceId,
    pub(crate) slot: u32,
    pub(crate) address: SocketAddr,
}

/// Launches and follows an instance whose row is in the database.
pub(crate) async fn begin(inner: Arc<Inner>, birth: Birth) {
    let launched = launch(&inner, &birth).await;
    match launched {
        Ok(shim) => {
            runs(&inner, &birth, shim.clone());
            follow(inner, birth, shim).await;
        }
        Err(cause) => {
            let exit = exits::never_started(cause, inner.machine.now_ms());
            ended(&inner, &birth, exit).await;
        }
    }
}

/// Follows an instance that runs already until it has ended and nothing of it is left.
pub(crate) async fn follow(inner: Arc<Inner>, birth: Birth, shim: ProcessIdent) {
    // Not seeing it is no reason to take it for dead: what it serves would be killed.
    while let Err(error) = kiln_container::wait(&shim, &inner.machine.boot).await {
        tracing::error!(instance = %birth.id, %error, "lost sight of a shim");
        tokio::time::sleep(RETRY).await;
    }
    let exit = exits::read(&inner, &birth).await;
    ended(&inner, &birth, exit).await;
}

async fn launch(inner: &Arc<Inner>, birth: &Birth) -> Result<ProcessIdent, String> {
    let _turn = inner.launches.acquire().await.map_err(|e| e.to_string())?;
    if inner.model().live(birth.id).is_none_or(|(_, i)| i.phase != Phase::Launching) {
        return Err("not wanted any more before it was launched".to_owned());
    }
    let dir = inner.machine.instance_dir(birth.id);
    let labels = labels(inner, birth).await;
    let (writer, written, to) = (inner.clone(), birth.clone(), dir.clone());
    let write = move || frozen::write(&writer, &written, &labels, &to);
    let writing = tokio::task::spawn_blocking(write);
    writing.await.map_err(|error| error.to_string())??;
    let secrets = secrets(inner, &birth.spec).await?;
    let launched = kiln_container::launch_with(&inner.machine.program, &dir, &secrets).await;
    launched.map(|launched| launched.shim).map_err(|error| exits::chain(&error))
}

/// The values that the instance starts with; read anew for each, and kept by nobody.
async fn secrets(inner: &Inner, group: &GroupSpec) -> Result<Vec<SecretValue>, String> {
    let opened = inner.secrets.open_all(&group.app, &group.env, &group.secrets).await;
    opened.map_err(|error| format!("failed to {}", exits::chain(&error)))
}

/// A release that the database does not tell is missed only when the database itself is lost.
async fn labels(inner: &Inner, birth: &Birth) -> Labels {
    let stored = async {
        let mut db = inner.db.read().await?;
        releases::get(&mut db, birth.spec.release).await
    };
    let release = stored.await.ok().flatten();
    let size = inner.model().groups.get(&birth.spec.id).map_or(0, |group| group.size);
    Labels {
        v: Labels::VERSION,
        group: (*birth.spec).clone(),
        size,
        release,
        slot: birth.slot,
        address: birth.address,
        created_ms: inner.machine.now_ms(),
    }
}

/// Notes that its main process runs.
pub(crate) fn runs(inner: &Arc<Inner>, birth: &Birth, shim: ProcessIdent) {
    if let Some((_, instance)) = inner.model().live(birth.id) {
        instance.shim = Some(shim);
        if instance.phase == Phase::Launching {
            instance.phase = Phase::Running(Instant::now());
        }
    }
    inner.link.touch();
    inner.changed();
    if birth.spec.run.port.is_none() {
        inner.spawn(settle(inner.clone()));
    }
}

/// A process without a port becomes healthy by the mere passing of time: look again then.
async fn settle(inner: Arc<Inner>) {
    tokio::time::sleep(PORTLESS_START).await;
    inner.model().note_health(Instant::now());
    inner.changed();
}

/// Takes the instance out of the table, records its end and notes it, so that a successor can
/// start, then buries what is left. Recorded before noted: its lines can be read at every moment.
pub(crate) async fn ended(inner: &Arc<Inner>, birth: &Birth, exit: Exit) {
    if let Some((_, instance)) = inner.model().live(birth.id) {
        instance.shim = None;
    }
    inner.note_leaving(birth.id, true);
    inner.link.touch();
    let peak = usage::at_exit(&birth.spec, &exit, inner.machine.now_ms());
    let mut record = Record::new(inner, birth.id, &exit, peak).await;
    record.write(inner).await;
    note(inner, birth, exit);
    inner.changed();
    bury(inner, record, birth.address).await;
}

/// Takes down what is left once the end is recorded: the router's entry first, the address last, so
/// that no request for it can reach the next holder.
pub(crate) async fn bury(inner: &Arc<Inner>, mut record: Record, address: SocketAddr) {
    let without = inner.link.touch();
    // The files are all there is until then. Should the server die meanwhile, the next one finds
    // them and tries again.
    while !record.write(inner).await {
        tokio::time::sleep(RETRY).await;
    }
    let acknowledged = tokio::time::timeout(ROUTER_GRACE, inner.link.in_force(without)).await;
    clean(inner, record.id).await;
    if acknowledged.is_err() {
        inner.link.in_force(without).await;
    }
    inner.machine.addresses.release(address);
    inner.note_leaving(record.id, false);
}

fn note(inner: &Inner, birth: &Birth, exit: Exit) {
    if let Some(group) = inner.model().groups.get_mut(&birth.spec.id) {
        group.ended(birth.id, exit, Instant::now());
    }
}

/// What is to be kept of an instance that ended.
pub(crate) struct Record {
    id: InstanceId,
    at_ms: u64,
    exit: String,
    lines: String,
    peak: Option<PeakRow>,
    written: bool,
}

impl Record {
    /// Reads its last lines.
    pub(crate) async fn new(
        inner: &Inner,
        id: InstanceId,
        exit: &Exit,
        peak: Option<PeakRow>,
    ) -> Self {
        let lines = last_lines(inner.machine.instance_dir(id)).await;
        let text = serde_json::to_string(exit).expect("an exit is plain data");
        Self { id, at_ms: exit.at_ms, exit: text, lines, peak, written: false }
    }

    /// Ensures that it is in the database; answers whether it is.
    async fn write(&mut self, inner: &Inner) -> bool {
        if !self.written {
            let written = self.try_write(inner).await;
            if let Err(error) = &written {
                tracing::error!(instance = %self.id, %error, "failed to record an exit");
            }
            self.written = written.is_ok();
        }
        self.written
    }

    async fn try_write(&self, inner: &Inner) -> Result<(), StoreError> {
        let mut db = inner.db.write().await?;
        local::end_instance(&mut db, self.id, self.at_ms, &self.exit, &self.lines).await?;
        if let Some(peak) = &self.peak {
            peaks::raise(&mut db, peak).await?;
        }
        db.commit().await
    }
}

async fn last_lines(dir: PathBuf) -> String {
    let read = move || crate::logs::tail_of(&dir, LAST_LINES).join("\n");
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

async fn clean(inner: &Arc<Inner>, id: InstanceId) {
    let inner = inner.clone();
    let cleaned = tokio::task::spawn_blocking(move || inner.machine.clean(id)).await;
    if let Ok(Err(error)) = cleaned {
        tracing::error!(instance = %id, %error, "failed to clean up an instance");
    }
}
