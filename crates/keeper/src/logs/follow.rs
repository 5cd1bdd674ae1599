//! Sending lines as they come, the last ones of instances that end included.

use super::{Origin, ended, kept_lines, line, running};
use crate::Log;
use crate::inner::Inner;
use kiln_engine::{EngineError, LogLine, LogQuery};
use kiln_names::InstanceId;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often followed logs are looked at. A person does not notice.
const LOOK: Duration = Duration::from_millis(100);

/// One instance's log, and how far it has been sent.
#[derive(Debug)]
pub(super) struct Followed {
    origin: Origin,
    log: Box<dyn Log>,
    /// The time of the newest line that was read.
    newest: Option<String>,
    /// Whether nothing is left of the instance.
    gone: bool,
}

/// Those whose logs are followed, and those of whom everything has been sent.
type Known = (BTreeMap<InstanceId, Followed>, HashSet<InstanceId>);

/// Sends lines as they come until the reader goes away.
pub(super) async fn follow(
    inner: Arc<Inner>,
    query: LogQuery,
    first: Vec<LogLine>,
    (followed, done): (Vec<Followed>, HashSet<InstanceId>),
    send: mpsc::Sender<LogLine>,
) {
    let followed = followed.into_iter().map(|one| (one.instance(), one)).collect();
    let mut known: Known = (followed, done);
    let mut fresh = first;
    loop {
        for line in fresh {
            if send.send(line).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = send.closed() => return,
            () = await_look(&inner, &query, &mut known) => {}
        }
        fresh = new_lines(&mut known.0).await;
        match last_words(&inner, &query, &mut known).await {
            Ok(lines) => fresh.extend(lines),
            Err(error) => tracing::warn!(%error, "failed to read the last lines of instances"),
        }
        fresh.sort_by(|a, b| a.time.cmp(&b.time));
    }
}

/// Waits for the next look, and meanwhile notes every new instance: one may come and go before it.
async fn await_look(inner: &Inner, query: &LogQuery, (followed, done): &mut Known) {
    let mut changes = inner.subscribe();
    let next = Instant::now() + LOOK;
    loop {
        changes.borrow_and_update();
        for origin in running(inner, query) {
            if !done.contains(&origin.instance) {
                let log = || inner.runtime.log(origin.instance);
                let new = || Followed::new(origin.clone(), log(), None);
                followed.entry(origin.instance).or_insert_with(new);
            }
        }
        if tokio::time::timeout_at(next, changes.changed()).await.is_err() {
            return;
        }
    }
}

async fn new_lines(followed: &mut BTreeMap<InstanceId, Followed>) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for one in followed.values_mut() {
        lines.extend(one.new_lines().await);
    }
    lines
}

/// What those whose logs are gone wrote since the last look: it was recorded before they were
/// removed.
async fn last_words(
    inner: &Inner,
    query: &LogQuery,
    (followed, done): &mut Known,
) -> Result<Vec<LogLine>, EngineError> {
    let gone: HashSet<InstanceId> =
        followed.values().filter(|one| one.gone).map(Followed::instance).collect();
    let mut lines = Vec::new();
    for row in ended(inner, query, |id| gone.contains(&id), &gone).await? {
        let newest = followed.remove(&row.instance.id).and_then(|one| one.newest);
        let unsent = |line: &LogLine| newest.as_ref().is_none_or(|newest| line.time > *newest);
        lines.extend(kept_lines(&row, usize::MAX).into_iter().filter(unsent));
        done.insert(row.instance.id);
    }
    // One that is neither there nor to come, and of which no record is kept, says nothing more.
    let shown: HashSet<InstanceId> = running(inner, query).iter().map(|o| o.instance).collect();
    followed.retain(|id, _| !gone.contains(id) || shown.contains(id));
    Ok(lines)
}

// === impl Followed ===

impl Followed {
    pub(super) fn new(origin: Origin, log: Box<dyn Log>, newest: Option<String>) -> Self {
        Self { origin, log, newest, gone: false }
    }

    pub(super) fn instance(&self) -> InstanceId {
        self.origin.instance
    }

    async fn new_lines(&mut self) -> Vec<LogLine> {
        let more = self.log.more().await;
        self.gone = more.is_none();
        let raw = more.unwrap_or_default();
        let lines: Vec<_> = raw.iter().filter_map(|raw| line(&self.origin, raw)).collect();
        if let Some(last) = lines.last() {
            self.newest = Some(last.time.clone());
        }
        lines
    }
}
