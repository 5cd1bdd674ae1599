//! The journal of one deployment while it is written: events are folded at once and reach the disk
//! in batches, together with what becomes true by them.

use crate::journal::{Event, Record};
use crate::kit::{Blown, Kit};
use crate::ledger::{Ledger, LedgerError};
use crate::plan::PlannedAction;
use crate::progress::{Progress, ProgressEvent};
use crate::status::{IllegalTransition, Status};
use crate::{Release, Target};
use kiln_names::DeploymentId;
use kiln_store::deployments::StateChange;
use kiln_store::releases::ReleaseRow;
use kiln_store::{StoreError, deployments, groups, journal, releases};
use std::sync::Arc;

/// Which deployment is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) id: DeploymentId,
    /// Its number, which is its epoch.
    pub(crate) number: u64,
    pub(crate) target: Target,
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) kit: Arc<Kit>,
    pub(crate) subject: Subject,
    /// What all events add up to, those included that are not on disk yet.
    status: Status,
    /// What those on disk add up to.
    written: Status,
    pending: Vec<Step>,
}

/// An event that is not on disk yet, between what was before and after it.
#[derive(Debug)]
struct Step {
    before: Status,
    record: Record,
    after: Status,
}

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("a fuse has blown")]
    Blown,
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

// === impl Recorder ===

impl Recorder {
    pub(crate) fn new(kit: Arc<Kit>, subject: Subject, status: Status) -> Self {
        Self { kit, subject, written: status.clone(), status, pending: Vec::new() }
    }

    pub(crate) const fn status(&self) -> &Status {
        &self.status
    }

    /// Whether everything is on disk.
    pub(crate) const fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Folds an event; [`Recorder::write`] brings it to disk.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), IllegalTransition> {
        let record = Record { seq: self.status.seq, at_ms: self.kit.now_ms(), event };
        let before = self.status.clone();
        self.status = before.clone().after(&record)?;
        self.pending.push(Step { before, record, after: self.status.clone() });
        Ok(())
    }

    /// Writes everything that is pending in one transaction, then tells it. What the disk refuses
    /// stays pending.
    pub(crate) async fn write(&mut self) -> Result<(), RecordError> {
        if self.kit.ports.fuse.blown() {
            return Err(RecordError::Blown);
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        self.kit.ports.fuse.burn()?;
        self.commit(&self.pending).await?;
        let written = std::mem::take(&mut self.pending);
        self.written = self.status.clone();
        self.kit.ports.fuse.burn()?;
        self.tell(&written);
        Ok(())
    }

    /// What is pending did not happen.
    pub(crate) fn discard(&mut self) {
        self.pending.clear();
        self.status = self.written.clone();
    }

    async fn commit(&self, pending: &[Step]) -> Result<(), LedgerError> {
        let mut write = self.kit.db.write().await?;
        for step in pending {
            journal::append(&mut write, self.subject.number, &step.record.to_row()).await?;
            let mut ledger = Ledger {
                db: &mut write,
                target: &self.subject.target,
                deployment: self.subject.number,
                now_ms: step.record.at_ms,
            };
            project(&mut ledger, step).await?;
        }
        Ok(write.commit().await?)
    }

    fn tell(&self, pending: &[Step]) {
        for Step { before, record, after } in pending {
            let told = Progress::of(before, record, after);
            let told = ProgressEvent::journaled(self.subject.id, record, told);
            told.for_each(|event| self.kit.hub.tell(event));
        }
        if !self.status.locks() {
            self.kit.retire.notify_one();
        }
    }
}

/// What becomes true by an event.
async fn project(ledger: &mut Ledger<'_>, step: &Step) -> Result<(), LedgerError> {
    match &step.record.event {
        Event::Sealed { plan } => {
            seal(ledger, plan.release.as_ref(), plan.number).await?;
        }
        Event::Intended { .. } => acted(step).action.act().intended(ledger).await?,
        Event::Finished { .. } => acted(step).action.act().finished(ledger).await?,
        _ => {}
    }
    let (before, after) = (&step.before, &step.after);
    if (before.state, &before.reason) != (after.state, &after.reason) {
        let change = StateChange {
            state: after.state.as_str(),
            reason: after.reason.as_deref(),
            locks: after.locks(),
            ended: !after.locks(),
            at_ms: step.record.at_ms,
        };
        deployments::set_state(ledger.db, ledger.deployment, change).await?;
    }
    Ok(())
}

/// The action that an intent or a result is about.
fn acted(step: &Step) -> &PlannedAction {
    step.before.action().expect("the fold took the event, so there is such an action")
}

async fn seal(
    ledger: &mut Ledger<'_>,
    release: Option<&Release>,
    number: Option<kiln_names::GroupNumber>,
) -> Result<(), StoreError> {
    let Target { app, env } = ledger.target;
    if let Some(release) = release {
        let row = ReleaseRow {
            id: release.id(),
            app: app.clone(),
            env: env.clone(),
            canonical: release.canonical(),
            created_ms: ledger.now_ms,
        };
        releases::put(ledger.db, &row).await?;
    }
    if let Some(number) = number {
        groups::take_number(ledger.db, app, env, number).await?;
    }
    deployments::set_release(ledger.db, ledger.deployment, release.map(Release::id)).await
}

impl From<Blown> for RecordError {
    fn from(_: Blown) -> Self {
        Self::Blown
    }
}
