//! Why an action failed, with what a person needs to mend it.

use crate::actions::Scene;
use crate::place::GroupRef;
use futures_util::StreamExt;
use kiln_engine::{InstanceState, LogQuery, ObservedGroup, ObservedInstance};
use kiln_names::{GroupName, InstanceId};
use serde::{Deserialize, Serialize};

/// How many of an instance's last lines a failure shows.
const LINES: usize = 20;

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, in a sentence's words.
    pub reason: String,
    /// The group that shows why.
    pub group: Option<GroupName>,
    /// The instance that shows why.
    pub instance: Option<InstanceId>,
    /// The last answer of its check.
    pub last_check: Option<String>,
    /// How it ended, if it did.
    pub exit: Option<String>,
    /// Its last lines.
    pub log: Vec<String>,
}

// === impl Failure ===

impl Failure {
    /// A failure of which no more is known than its reason.
    #[must_use]
    pub fn of(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// A failure of the given reason, with what the worst instance of the groups can tell. An engine
/// that does not answer adds nothing: the reason stands without.
pub(crate) async fn failure(scene: &Scene<'_>, groups: &[GroupRef], reason: String) -> Failure {
    let mut failure = Failure::of(reason);
    let Ok(seen) = scene.observe().await else { return failure };
    let suspects = groups.iter().filter_map(|group| {
        let (rank, instance) = worst(seen.group(group.id)?)?;
        Some((rank, group, instance))
    });
    let Some((_, group, instance)) = suspects.min_by_key(|(rank, ..)| *rank) else {
        return failure;
    };
    failure.group = Some(group.name.clone());
    failure.instance = Some(instance.id);
    failure.last_check.clone_from(&instance.last_check);
    failure.exit = instance.exit.as_ref().map(|exit| exit.cause.clone());
    failure.log = last_lines(scene, &group.name, instance.id).await;
    failure
}

/// The instance that tells the most, and how much worse than well it is: 0 is worst.
fn worst(group: &ObservedGroup) -> Option<(u8, &ObservedInstance)> {
    let blamed = group.crash_loop.as_ref().map(|crash| crash.instance);
    let rank = |instance: &ObservedInstance| match instance.state {
        _ if Some(instance.id) == blamed => 0,
        InstanceState::Exited => 1,
        InstanceState::Unhealthy => 2,
        InstanceState::Starting => 3,
        InstanceState::Pending => 4,
        InstanceState::Draining => 5,
        InstanceState::Healthy => 6,
    };
    let ranked = group.instances.iter().map(|instance| (rank(instance), instance));
    ranked.min_by_key(|(rank, _)| *rank).filter(|(rank, _)| *rank < 5)
}

async fn last_lines(scene: &Scene<'_>, group: &GroupName, instance: InstanceId) -> Vec<String> {
    let query = LogQuery {
        app: scene.target.app.clone(),
        env: scene.target.env.clone(),
        group: Some(group.clone()),
        instance: Some(instance),
        tail: LINES,
        follow: false,
    };
    match scene.provider.engine.logs(query).await {
        Ok(lines) => lines.map(|line| line.text).take(LINES).collect().await,
        Err(_) => Vec::new(),
    }
}
