//! Waiting for the instances of groups.

use super::{Outcome, Scene};
use crate::place::GroupRef;
use kiln_engine::{CrashLoop, EngineError, GroupSpec, ObservedGroup, TrafficObservation};
use kiln_names::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What launch data, and an engine that is busy, may take beyond the start-up check.
const BEYOND_STARTUP: Duration = Duration::from_secs(90);

/// How long an old instance may take to start again.
const RESTART: Span = Span::seconds(60);

/// A group and how many instances it is waited for to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The group.
    pub group: GroupRef,
    /// How many instances.
    pub size: u32,
    /// How long one of its instances may take to start.
    pub startup: Span,
}

// === impl Expected ===

impl Expected {
    pub(crate) fn of(spec: &GroupSpec, size: u32) -> Self {
        Self { group: spec.into(), size, startup: spec.params.startup_check.timeout }
    }

    /// A group that had so many instances before.
    pub(super) fn again(group: &GroupRef, size: u32) -> Self {
        Self { group: group.clone(), size, startup: RESTART }
    }
}

/// How long the groups may take until their instances run well.
pub(super) fn patience(groups: &[Expected]) -> Duration {
    let longest = groups.iter().map(|expected| expected.startup.get()).max().unwrap_or_default();
    longest + BEYOND_STARTUP
}

/// The groups that can tell why waiting for them failed.
pub(super) fn suspects(groups: &[Expected]) -> Vec<GroupRef> {
    groups.iter().map(|expected| expected.group.clone()).collect()
}

/// "hello-prod-web-v003 (2)", for people.
pub(super) fn sizes(groups: &[Expected]) -> String {
    let size = |expected: &Expected| format!("{} ({})", expected.group, expected.size);
    groups.iter().map(size).collect::<Vec<_>>().join(", ")
}

/// Done once `count` says of every group that it has as many instances as expected; failed when one
/// of them is in a crash loop.
pub(super) async fn await_instances(
    scene: &Scene<'_>,
    groups: &[Expected],
    what: &str,
    count: impl Fn(&ObservedGroup) -> usize + Send,
) -> Result<Outcome, EngineError> {
    let seen = scene.observe().await?;
    for Expected { group, size, .. } in groups {
        let Some(observed) = seen.group(group.id) else {
            return Ok(Outcome::until_change(format!("{group} to be there")));
        };
        if let Some(crash) = &observed.crash_loop {
            return Ok(Outcome::failed(crashing(group, crash)));
        }
        let reached = count(observed);
        if reached < *size as usize {
            let waiting_for = format!("{group}: {reached} of {size} instances {what}");
            return Ok(Outcome::until_change(waiting_for));
        }
    }
    Ok(Outcome::done())
}

fn crashing(group: &GroupRef, CrashLoop { exits, last, .. }: &CrashLoop) -> String {
    match exits {
        1 => format!("{group} does not start: {}", last.cause),
        _ => format!("{group} is in a crash loop: {exits} exits, the last one {}", last.cause),
    }
}

/// The first group that the traffic does not see whole: what is waited for then.
pub(super) fn not_routed(seen: &TrafficObservation, groups: &[Expected]) -> Option<String> {
    groups.iter().find_map(|Expected { group, size, .. }| {
        let healthy = seen.groups.iter().find(|known| known.group == group.id);
        let healthy = healthy.map_or(0, |known| known.healthy);
        (healthy < *size)
            .then(|| format!("{group}: {healthy} of {size} instances healthy for the router"))
    })
}
