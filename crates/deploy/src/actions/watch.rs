//! `watch`: the new groups are looked at under load for a while. An instance that exits or fails its
//! check, for the engine or for the router, is a regression.

use super::expected::{not_routed, sizes, suspects};
use super::{Act, Expected, Outcome, Scene, Touch};
use crate::place::GroupRef;
use crate::ports::millis;
use kiln_engine::{EngineError, InstanceState, ObservedInstance};
use kiln_names::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often the groups are looked at, if nothing announces a change.
const EVERY: Duration = Duration::from_secs(1);

/// Ensures that the groups stayed healthy for the period. It counts from the action's intent, so
/// that a restart does not begin it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The groups with their sizes.
    pub groups: Vec<Expected>,
    /// How long.
    pub period: Span,
}

#[async_trait::async_trait]
impl Act for Watch {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        format!("watch {} for {}", sizes(&self.groups), self.period)
    }

    fn is_idle(&self) -> bool {
        self.period == Span::ZERO
    }

    fn deadline(&self) -> Duration {
        self.period.get() + Duration::from_secs(60)
    }

    fn suspects(&self) -> Vec<GroupRef> {
        suspects(&self.groups)
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        if let Some(regression) = self.regression(scene).await? {
            return Ok(Outcome::failed(regression));
        }
        let over_ms = scene.since_ms.saturating_add(millis(self.period.get()));
        let left = Duration::from_millis(over_ms.saturating_sub(scene.now_ms));
        if left.is_zero() {
            return Ok(Outcome::noted(format!("no regression in {}", self.period)));
        }
        let waiting_for = format!("the end of the watch, {} s are left", left.as_secs());
        Ok(Outcome::RetryAfter { after: left.min(EVERY), waiting_for })
    }
}

/// Of what has ended, its last answer says nothing.
fn why(instance: &ObservedInstance) -> &str {
    let exit = instance.exit.as_ref().map(|exit| exit.cause.as_str());
    exit.or(instance.last_check.as_deref()).unwrap_or("it exited")
}

impl Watch {
    async fn regression(&self, scene: &Scene<'_>) -> Result<Option<String>, EngineError> {
        let seen = scene.observe().await?;
        for Expected { group, .. } in &self.groups {
            let Some(observed) = seen.group(group.id) else {
                return Ok(Some(format!("{group} is gone")));
            };
            if let Some(crash) = &observed.crash_loop {
                return Ok(Some(format!("{group} is in a crash loop: {}", crash.last.cause)));
            }
            let failing = |state| matches!(state, InstanceState::Unhealthy | InstanceState::Exited);
            if let Some(bad) = observed.instances.iter().find(|i| failing(i.state)) {
                return Ok(Some(format!("{} of {group} is not healthy: {}", bad.id, why(bad))));
            }
        }
        let traffic = scene.traffic().await?;
        let known = |expected: &&Expected| {
            traffic.groups.iter().any(|known| known.group == expected.group.id)
        };
        let routed: Vec<Expected> = self.groups.iter().filter(known).cloned().collect();
        Ok(not_routed(&traffic, &routed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_engine::Exit;
    use kiln_names::InstanceId;

    #[test]
    fn what_has_ended_is_told_by_its_end_and_not_by_its_last_answer() {
        let mut instance = ObservedInstance {
            id: InstanceId::from_random([1; 6]),
            slot: 0,
            state: InstanceState::Unhealthy,
            address: None,
            last_check: Some("503 overloaded".to_owned()),
            exit: None,
            started_ms: None,
            usage: None,
        };
        assert_eq!(why(&instance), "503 overloaded");
        instance.state = InstanceState::Exited;
        instance.exit = Some(Exit {
            code: None,
            signal: Some(9),
            out_of_memory: false,
            cause: "killed by signal 9".to_owned(),
            at_ms: 0,
            memory_peak: None,
        });
        assert_eq!(why(&instance), "killed by signal 9");
    }
}
