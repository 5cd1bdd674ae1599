//! The moments of a simulated world.

use super::world::World;
use kiln_names::{AppName, EnvName, GroupId, ProcessName};

/// What requests would have met after one change of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// What had just happened.
    pub after: &'static str,
    /// Every group that takes requests.
    pub serving: Vec<GroupMoment>,
}

/// A group that takes requests, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMoment {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The process.
    pub process: ProcessName,
    /// The group.
    pub group: GroupId,
    /// How many instances it should have; 0 for a group that is gone or on its way out.
    pub desired: usize,
    /// How many of them are healthy.
    pub healthy: usize,
    /// How many were healthy when [`SimEngine::kill`](crate::sim::SimEngine::kill) ended them, and
    /// have no healthy successor yet.
    pub mourned: usize,
}

// === impl GroupMoment ===

impl GroupMoment {
    /// Whether the group can carry what it was made for.
    #[must_use]
    pub const fn carries(&self) -> bool {
        self.desired > 0 && self.healthy >= self.desired
    }
}

// === impl World ===

impl World {
    /// Keeps the moment, unless nothing changed.
    pub(super) fn remember(&mut self, after: &'static str) {
        let serving = self.serving();
        if self.moments.last().is_none_or(|last| last.serving != serving) {
            self.moments.push(Moment { after, serving });
        }
    }

    fn serving(&self) -> Vec<GroupMoment> {
        let mut serving = Vec::new();
        for ((app, env), (_, state)) in &self.traffic {
            for cluster in &state.clusters {
                for share in cluster.shares.iter().filter(|share| share.weight > 0) {
                    let group = self.groups.get(&share.group).filter(|group| !group.removing);
                    serving.push(GroupMoment {
                        app: app.clone(),
                        env: env.clone(),
                        process: cluster.process.clone(),
                        group: share.group,
                        desired: group.map_or(0, |group| group.slots.count as usize),
                        healthy: group.map_or(0, super::world::SimGroup::healthy),
                        mourned: group.map_or(0, super::world::SimGroup::mourned),
                    });
                }
            }
        }
        serving
    }
}
