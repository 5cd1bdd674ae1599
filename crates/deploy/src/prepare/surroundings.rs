//! What there is before a deployment: by the database, by the engine, by its traffic.

use crate::kit::Kit;
use crate::place::{KnownGroup, Place};
use crate::ports::Provider;
use crate::{Problem, Room, Target};
use kiln_engine::{GroupSpec, Observation, TrafficObservation};
use kiln_names::{ByteSize, GroupId};
use kiln_protocol::status::GroupState;

/// Everything that a plan begins from.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) provider: Provider,
    pub(super) place: Place,
    pub(super) seen: Observation,
    pub(super) traffic: TrafficObservation,
}

/// How something fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Beside everything there is.
    AsItIs,
    /// Once warm groups are gone.
    WithoutSpare,
}

// === impl Surroundings ===

impl Surroundings {
    pub(super) async fn read(kit: &Kit, target: &Target) -> Result<Self, Problem> {
        let provider = kit.ports.engines.of(&target.env).await?;
        let place = Place::read(&mut *kit.db.read().await?, target).await?;
        let seen = provider.engine.observe(Some((&target.app, &target.env))).await?;
        let traffic = provider.traffic.observe(&target.app, &target.env).await?;
        Ok(Self { provider, place, seen, traffic })
    }

    /// The warm groups that nobody counts on.
    pub(super) fn spare(&self, used: impl Fn(GroupId) -> bool) -> Vec<KnownGroup> {
        let warm = self.place.in_state(GroupState::Warm);
        warm.filter(|group| !used(group.spec.id)).cloned().collect()
    }

    /// Refuses what would not fit, not even without the groups that can be spared: `needed` at the
    /// height of the deployment, for `more` in the end.
    pub(super) async fn fit(
        &self,
        more: &[(&GroupSpec, u32)],
        needed: ByteSize,
        spare: &[KnownGroup],
    ) -> Result<Fit, Problem> {
        let room = Room::of(&self.provider.engine.capacity().await?);
        let spared: Vec<_> = spare.iter().map(|group| (&group.spec, group.size)).collect();
        if room.holds(needed) {
            return Ok(Fit::AsItIs);
        }
        if room.with(memory(&spared)).holds(needed) {
            return Ok(Fit::WithoutSpare);
        }
        let left = room.left();
        let line = |(spec, count): &(&GroupSpec, u32)| {
            format!("{count} × {} for {}", spec.params.memory, spec.process)
        };
        let lines = more.iter().map(line).collect::<Vec<_>>().join(" and ");
        Err(Problem::invalid(format!("{needed} of memory are needed ({lines}), {left} are left")))
    }
}

/// What instances of the given groups are promised.
pub(super) fn memory(groups: &[(&GroupSpec, u32)]) -> ByteSize {
    let bytes =
        |(spec, count): &(&GroupSpec, u32)| spec.params.memory.0.saturating_mul(u64::from(*count));
    ByteSize(groups.iter().map(bytes).fold(0, u64::saturating_add))
}
