//! `apply-traffic`: all routes and weights change in one step.
//!
//! It looks before it writes: what is in force must be what the plan knows, or somebody else has
//! changed it and a person decides. Groups that gain traffic must be healthy at that very moment,
//! forward and back: that is what keeps some healthy group of full size behind every route.

use super::expected::{not_routed, patience, suspects};
use super::{Act, Action, Expected, Outcome, Scene, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use crate::plan::{introduced, same_requests, sorted};
use kiln_engine::{EngineError, TrafficState};
use kiln_protocol::status::GroupState;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that the routes and weights are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyTraffic {
    /// What it is for, in words.
    pub what: String,
    /// What is in force before.
    pub from: TrafficState,
    /// What is to be in force.
    pub to: TrafficState,
    /// What an undo puts in force.
    pub back: TrafficState,
    /// The groups that gain traffic.
    pub needs: Vec<Expected>,
    /// The groups that gain it in an undo.
    pub back_needs: Vec<Expected>,
    /// What becomes of groups with it.
    pub becomes: Vec<Becomes>,
}

/// What becomes of a group when the traffic changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Becomes {
    /// The group.
    pub group: GroupRef,
    /// Its state from then on.
    pub now: GroupState,
    /// Its state after an undo.
    pub before: GroupState,
}

impl ApplyTraffic {
    fn swapped(&self) -> Self {
        let swap = |becomes: &Becomes| Becomes {
            group: becomes.group.clone(),
            now: becomes.before,
            before: becomes.now,
        };
        Self {
            what: format!("take back: {}", self.what),
            from: self.to.clone(),
            to: self.back.clone(),
            back: self.to.clone(),
            needs: self.back_needs.clone(),
            back_needs: self.needs.clone(),
            becomes: self.becomes.iter().map(swap).collect(),
        }
    }

    /// Whether what is in force is something that this action may replace.
    fn knows(&self, in_force: &TrafficState) -> bool {
        [&self.from, &self.to, &self.back].into_iter().any(|known| same_requests(known, in_force))
    }
}

#[async_trait::async_trait]
impl Act for ApplyTraffic {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        self.what.clone()
    }

    fn is_idle(&self) -> bool {
        sorted(&self.from) == sorted(&self.to) && self.becomes.is_empty()
    }

    fn deadline(&self) -> Duration {
        patience(&self.needs)
    }

    fn suspects(&self) -> Vec<GroupRef> {
        suspects(&self.needs)
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let seen = scene.traffic().await?;
        if sorted(&seen.state) == sorted(&self.to) {
            return Ok(Outcome::already_so());
        }
        if !self.knows(&seen.state) {
            return Err(EngineError::stale(format!(
                "change the traffic of {}: somebody else changed it to version {}",
                scene.target, seen.version.0
            )));
        }
        if let Some(waiting_for) = not_routed(&seen, &self.needs) {
            // Nobody checks a group that the traffic does not know.
            let known = introduced(&seen.state, &self.to);
            if known != sorted(&seen.state) {
                scene.provider.traffic.apply(scene.call, &known, seen.version).await?;
            }
            return Ok(Outcome::poll(waiting_for));
        }
        let version = scene.provider.traffic.apply(scene.call, &self.to, seen.version).await?;
        Ok(Outcome::noted(format!("version {}", version.0)))
    }

    fn undo(&self) -> Vec<Action> {
        vec![self.swapped().into()]
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for Becomes { group, now, .. } in &self.becomes {
            ledger.group_is(group.id, *now).await?;
        }
        Ok(())
    }
}
