//! What there is before a deployment: by the database, by the engine, by its traffic.

use crate::kit::Kit;
use crate::place::Place;
use crate::ports::Provider;
use crate::{Problem, Target};
use kiln_engine::{Capacity, GroupSpec, Observation, TrafficObservation};
use kiln_names::ByteSize;

/// Everything that a plan begins from.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) provider: Provider,
    pub(super) place: Place,
    pub(super) seen: Observation,
    pub(super) traffic: TrafficObservation,
}

// === impl Surroundings ===

impl Surroundings {
    pub(super) async fn read(kit: &Kit, target: &Target) -> Result<Self, Problem> {
        let provider = kit.ports.engines.of(&target.env)?;
        let place = Place::read(&mut *kit.db.read().await?, target).await?;
        let seen = provider.engine.observe(Some((&target.app, &target.env))).await?;
        let traffic = provider.traffic.observe(&target.app, &target.env).await?;
        Ok(Self { provider, place, seen, traffic })
    }

    /// Refuses what would not fit. Memory is a promise that is kept, so more than there is cannot
    /// be promised; processors are shared by who is busy, so they may be promised twice.
    pub(super) async fn check_capacity(&self, more: &[(&GroupSpec, u32)]) -> Result<(), Problem> {
        let Capacity { memory: left, .. } = self.provider.engine.capacity().await?;
        let bytes = |(spec, count): &(&GroupSpec, u32)| {
            spec.params.memory.0.saturating_mul(u64::from(*count))
        };
        let needed = ByteSize(more.iter().map(bytes).fold(0, u64::saturating_add));
        if needed <= left {
            return Ok(());
        }
        let line = |(spec, count): &(&GroupSpec, u32)| {
            format!("{count} × {} for {}", spec.params.memory, spec.process)
        };
        let lines = more.iter().map(line).collect::<Vec<_>>().join(" and ");
        Err(Problem::invalid(format!("{needed} of memory are needed ({lines}), {left} are left")))
    }
}
