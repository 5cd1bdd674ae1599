//! Removes groups when they are due, whatever became of the deployments that retired them.
//!
//! A group that is being removed cannot be taken back: that is written down before the engine is
//! told. With the last group that had it goes what is left of a removed secret. While a deployment of the same application and environment is in progress, none is
//! begun: its plan may count on warm groups.

use crate::kit::Kit;
use kiln_engine::{Call, ErrorKind};
use kiln_names::GroupId;
use kiln_protocol::status::GroupState;
use kiln_store::audit::By;
use kiln_store::retirements::RetirementRow;
use kiln_store::{StoreError, groups, retirements, secrets};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How often groups on their way out are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long an engine, or the database, is left alone after an error.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an engine may take to answer; others are waiting for their turn.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest sleep: a clock that was set back is noticed after this.
const LONGEST: Duration = Duration::from_secs(60);

/// Who erases secrets, for the record.
const ERASER: &str = "kiln";

/// The task that removes groups.
#[derive(Debug)]
pub(crate) struct Retirer {
    kit: Arc<Kit>,
    /// The groups whose engine took the order, so that it is not given again at every look.
    ordered: HashSet<GroupId>,
}

// === impl Retirer ===

impl Retirer {
    pub(crate) fn new(kit: Arc<Kit>) -> Self {
        Self { kit, ordered: HashSet::new() }
    }

    /// Goes on for ever.
    pub(crate) async fn run(mut self) {
        loop {
            if self.kit.ports.fuse.blown() {
                return;
            }
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "cannot read which groups are due");
                    PAUSE
                }
            };
            let kit = self.kit.clone();
            tokio::select! {
                biased;
                () = kit.retire.notified() => {}
                () = kit.clock().sleep(pause) => {}
            }
        }
    }

    /// Goes through all groups that wait; returns how long nothing can be expected to happen.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        let waiting = retirements::all(&mut *self.kit.db.read().await?).await?;
        let now_ms = self.kit.now_ms();
        let mut pause = LONGEST;
        for row in &waiting {
            if row.due_ms > now_ms {
                pause = pause.min(Duration::from_millis(row.due_ms - now_ms));
            } else {
                pause = pause.min(self.remove(row, now_ms).await?);
            }
        }
        self.erase_secrets(now_ms).await?;
        Ok(pause)
    }

    /// Takes one group as far as it goes now; returns when to look again.
    async fn remove(&mut self, row: &RetirementRow, now_ms: u64) -> Result<Duration, StoreError> {
        if !row.removing && !self.begin(row, now_ms).await? {
            // Somebody took it back, or a deployment is in progress and rings when it ends.
            return Ok(LONGEST);
        }
        let kit = self.kit.clone();
        tokio::select! {
            biased;
            pause = self.ask(row) => pause,
            () = kit.clock().sleep(PATIENCE) => {
                tracing::warn!(group = %row.group, "cannot remove a group: its engine does not answer");
                Ok(PAUSE)
            }
        }
    }

    /// Asks the engine to remove a group, and whether it is gone; returns when to look again.
    async fn ask(&mut self, row: &RetirementRow) -> Result<Duration, StoreError> {
        let Ok(provider) = self.kit.ports.engines.of(&row.env).await else { return Ok(PAUSE) };
        if !self.ordered.contains(&row.group) {
            let mut db = self.kit.db.read().await?;
            let call = Call { epoch: retirements::epoch(&mut db, &row.app, &row.env).await? };
            drop(db);
            match provider.engine.remove_group(call, row.group).await {
                Err(error) if error.kind != ErrorKind::NotFound => {
                    tracing::warn!(group = %row.group, %error, "cannot remove a group");
                    return Ok(PAUSE);
                }
                _ => self.ordered.insert(row.group),
            };
        }
        match provider.engine.observe(Some((&row.app, &row.env))).await {
            Ok(seen) if seen.group(row.group).is_none() => {
                self.forget(row.group).await?;
                Ok(LONGEST)
            }
            Ok(_) => Ok(LOOK),
            Err(_) => Ok(PAUSE),
        }
    }

    async fn begin(&self, row: &RetirementRow, now_ms: u64) -> Result<bool, StoreError> {
        let mut write = self.kit.db.write().await?;
        let begun = retirements::begin_removal(&mut write, row.group, now_ms).await?;
        if begun {
            let draining = GroupState::Draining.as_str();
            groups::set_state(&mut write, row.group, draining, now_ms).await?;
        }
        write.commit().await?;
        Ok(begun)
    }

    /// What was removed while groups had it goes for good with the last of them.
    async fn erase_secrets(&self, at_ms: u64) -> Result<(), StoreError> {
        if !secrets::any_withdrawn(&mut *self.kit.db.read().await?).await? {
            return Ok(());
        }
        let mut write = self.kit.db.write().await?;
        let eraser = By { who: ERASER.to_owned(), at_ms };
        if !secrets::erase_withdrawn(&mut write, &eraser).await?.is_empty() {
            write.commit().await?;
        }
        Ok(())
    }

    async fn forget(&mut self, group: GroupId) -> Result<(), StoreError> {
        let mut write = self.kit.db.write().await?;
        retirements::delete(&mut write, group).await?;
        let gone = GroupState::Gone.as_str();
        groups::set_state(&mut write, group, gone, self.kit.now_ms()).await?;
        write.commit().await?;
        self.ordered.remove(&group);
        Ok(())
    }
}
