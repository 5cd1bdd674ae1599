//! One instance's life: recorded, launched, watched until it ends, recorded again, cleaned up.

use crate::inner::Inner;
use crate::model::{PORTLESS_START, Phase};
use crate::{Birth, NotLaunched, Wish, checks, exits, usage};
use kiln_engine::Exit;
use kiln_names::InstanceId;
use kiln_router::Health;
use kiln_store::peaks::{self, PeakRow};
use kiln_store::{StoreError, local};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many of its last log lines outlive an instance.
const LAST_LINES: usize = 200;
/// How long the cleaning of an ended instance waits for a router that is away.
const ROUTER_GRACE: Duration = Duration::from_secs(30);
/// How long to wait when the database refused.
const RETRY: Duration = Duration::from_secs(1);

/// Launches and follows an instance whose row is in the database.
pub(crate) async fn begin(inner: Arc<Inner>, birth: Birth) {
    match launch(&inner, &birth).await {
        Ok(address) => {
            place(&inner, &birth, address).await;
            runs(&inner, &birth, address);
            follow(inner, birth).await;
        }
        Err(NotLaunched { cause, gave_up }) => {
            if gave_up && let Some((_, instance)) = inner.model().live(birth.id) {
                instance.stopped_for = Some(cause.clone());
            }
            let exit = exits::never_started(cause, inner.now_ms());
            ended(&inner, &birth, exit).await;
        }
    }
}

/// Ends an instance that has a row and never got a place.
pub(crate) async fn give_up(inner: Arc<Inner>, birth: Birth) {
    let cause = "its place became another's before it was launched".to_owned();
    let exit = exits::never_started(cause, inner.now_ms());
    ended(&inner, &birth, exit).await;
}

/// Follows an instance that runs already until it has ended and nothing of it is left.
pub(crate) async fn follow(inner: Arc<Inner>, birth: Birth) {
    inner.runtime.wait(birth.id).await;
    let exit = exits::read(&inner, &birth).await;
    ended(&inner, &birth, exit).await;
}

async fn launch(inner: &Arc<Inner>, birth: &Birth) -> Result<SocketAddr, NotLaunched> {
    let _turn = inner.launches.acquire().await.map_err(|e| NotLaunched::failed(e.to_string()))?;
    if !is_launching(inner, birth.id) {
        return Err(NotLaunched::failed("not wanted any more before it was launched"));
    }
    let say = |what: String| {
        if let Some((_, instance)) = inner.model().live(birth.id) {
            instance.waits_for = Some(what);
        }
        inner.changed();
    };
    let wish = Wish { withdrawn: Box::pin(withdrawn(inner, birth.id)), say: &say };
    inner.runtime.launch(birth, wish).await
}

fn is_launching(inner: &Inner, id: InstanceId) -> bool {
    inner.model().live(id).is_some_and(|(_, i)| i.phase == Phase::Launching)
}

/// Completes once the instance is to be drained before it runs.
async fn withdrawn(inner: &Inner, id: InstanceId) {
    let mut changes = inner.subscribe();
    while is_launching(inner, id) {
        // The sender lives in `inner`, so the wait cannot fail.
        drop(changes.changed().await);
    }
}

/// Records where it listens if that was not known before: the next server routes to it before the
/// provider has answered.
async fn place(inner: &Inner, birth: &Birth, address: SocketAddr) {
    if address == birth.address {
        return;
    }
    while let Err(error) = try_place(inner, birth.id, address).await {
        tracing::error!(instance = %birth.id, %error, "failed to record an address");
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_place(inner: &Inner, id: InstanceId, address: SocketAddr) -> Result<(), StoreError> {
    let mut db = inner.db.write().await?;
    local::place_instance(&mut db, id, address).await?;
    db.commit().await
}

/// Notes that its main process runs.
pub(crate) fn runs(inner: &Arc<Inner>, birth: &Birth, address: SocketAddr) {
    let known = inner.model().live(birth.id).map(|(_, it)| it.created_ms);
    let inside = known.and_then(|created_ms| checks::begin(inner, birth, created_ms));
    if let Some((_, instance)) = inner.model().live(birth.id) {
        instance.inside.clone_from(&inside);
        instance.started = true;
        instance.address = address;
        instance.waits_for = None;
        if instance.phase == Phase::Launching {
            instance.phase = Phase::Running(Instant::now());
        }
    }
    inner.link.touch();
    inner.changed();
    if let Some(check) = &birth.spec.params.inside_check {
        let health = inside.map_or(Health::Starting, |inside| inside.health);
        inner.spawn(checks::watch(inner.clone(), birth.clone(), check.clone(), health));
    } else if birth.spec.run.port.is_none() {
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
        instance.started = false;
    }
    inner.note_leaving(birth.id, true);
    inner.link.touch();
    let peak = usage::at_exit(&birth.spec, &exit, inner.now_ms());
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
    let acknowledged = tokio::time::timeout(ROUTER_GRACE, inner.in_force(without)).await;
    inner.runtime.clean(record.id).await;
    if acknowledged.is_err() {
        inner.in_force(without).await;
    }
    inner.runtime.release(address);
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
        let lines = inner.runtime.last_lines(id, LAST_LINES).await;
        let lines = lines.map(|(lines, _)| lines.join("\n")).unwrap_or_default();
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
