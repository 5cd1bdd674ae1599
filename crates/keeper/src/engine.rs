//! The [`Engine`] trait, over a runtime.

use crate::Size;
use crate::model::{Group, Instance, Model};
use crate::{Keeper, drift, exits, keep, logs, usage};
use kiln_engine::{
    Call, Capabilities, Capacity, Depth, Drift, EndedInstance, Engine, EngineError, GroupSpec,
    KeptVolume, LogQuery, LogStream, MemoryPeak, Observation, ObservedGroup, ObservedInstance,
    Resources, Slots,
};
use kiln_names::{AppName, ByteSize, Digest, EnvName, GroupId, InstanceId};
use kiln_store::{StoreError, Write, local};
use serde_json::{Map, Value};
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[async_trait::async_trait]
impl Engine for Keeper {
    fn capabilities(&self) -> Capabilities {
        self.inner.runtime.capabilities()
    }

    fn accept(&self, settings: &Map<String, Value>) -> Result<(), String> {
        self.inner.runtime.accept(settings)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.subscribe()
    }

    async fn capacity(&self) -> Result<Capacity, EngineError> {
        let Size { total, memory_used } = self.inner.runtime.size().await?;
        let promised = promised(&self.inner.model());
        let left = Resources {
            cpu_millis: total.cpu_millis.saturating_sub(promised.cpu_millis),
            memory: ByteSize(total.memory.0.saturating_sub(promised.memory.0)),
        };
        Ok(Capacity { total, left, memory_used })
    }

    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError> {
        self.inner.runtime.ensure_image(image).await
    }

    async fn ensure_group(&self, call: Call, spec: &GroupSpec) -> Result<(), EngineError> {
        // Before the transaction: the database does not wait for a provider.
        self.inner.runtime.prepare(spec).await?;
        let mut db = self.begin(call, &spec.app, &spec.env).await?;
        if self.inner.model().groups.contains_key(&spec.id) {
            // The epoch was seen, whatever else is already so.
            return db.commit().await.map_err(store);
        }
        local::add_group(&mut db, &group_row(spec)).await.map_err(store)?;
        self.inner.runtime.admit(&mut db, spec).await?;
        db.commit().await.map_err(store)?;
        // Another caller may have been as fast: a group has one keeper.
        if let Entry::Vacant(place) = self.inner.model().groups.entry(spec.id) {
            place.insert(Group::new(Arc::new(spec.clone()), Slots::default(), false));
            self.inner.spawn(keep::keep(self.inner.clone(), spec.id));
        }
        self.inner.changed();
        Ok(())
    }

    async fn resize_group(
        &self,
        call: Call,
        group: GroupId,
        slots: Slots,
    ) -> Result<(), EngineError> {
        let spec = self.spec_of(group)?;
        let mut db = self.begin(call, &spec.app, &spec.env).await?;
        let (removing, known) = self.wanted(group)?;
        if removing {
            let message = format!("group {} is being removed", spec.name);
            return Err(EngineError::permanent(message));
        }
        if known != slots {
            let wanted = (slots.first, slots.count);
            local::resize_group(&mut db, group, wanted).await.map_err(store)?;
        }
        db.commit().await.map_err(store)?;
        self.update(group, |known| known.slots = slots);
        Ok(())
    }

    async fn observe(
        &self,
        scope: Option<(&AppName, &EnvName)>,
    ) -> Result<Observation, EngineError> {
        let model = self.inner.model();
        let asked = |group: &&Group| {
            scope.is_none_or(|(app, env)| group.spec.app == *app && group.spec.env == *env)
        };
        let groups = model.groups.values().filter(asked).map(|g| self.observed(&model, g));
        Ok(Observation { groups: groups.collect(), age: Duration::ZERO })
    }

    async fn replace_instance(&self, call: Call, instance: InstanceId) -> Result<(), EngineError> {
        let spec = self.inner.model().live(instance).map(|(spec, _)| spec.clone());
        let spec = spec.ok_or_else(|| {
            EngineError::not_found(format!("there is no instance {instance} that runs"))
        })?;
        let mut db = self.begin(call, &spec.app, &spec.env).await?;
        // Another server may have to go on with it.
        local::mark_replacing(&mut db, instance).await.map_err(store)?;
        db.commit().await.map_err(store)?;
        keep::replace(&self.inner, instance);
        Ok(())
    }

    async fn remove_group(&self, call: Call, group: GroupId) -> Result<(), EngineError> {
        // Not there any more is what was asked for.
        let Ok(spec) = self.spec_of(group) else { return Ok(()) };
        let mut db = self.begin(call, &spec.app, &spec.env).await?;
        local::mark_group_removing(&mut db, group).await.map_err(store)?;
        db.commit().await.map_err(store)?;
        self.update(group, |known| {
            known.slots = Slots::default();
            known.removing = true;
        });
        Ok(())
    }

    async fn ended(&self, app: &AppName, env: &EnvName) -> Result<Vec<EndedInstance>, EngineError> {
        let mut db = self.inner.db.read().await.map_err(store)?;
        let rows = local::ended_instances(&mut db, app, env).await.map_err(store)?;
        Ok(rows.iter().map(exits::of_row).collect())
    }

    async fn peaks(&self, app: &AppName, env: &EnvName) -> Result<Vec<MemoryPeak>, EngineError> {
        usage::peaks(&self.inner, app, env).await
    }

    async fn drift(&self, depth: Depth) -> Result<Vec<Drift>, EngineError> {
        drift::standing(&self.inner, depth).await
    }

    async fn volumes(
        &self,
        env: &EnvName,
    ) -> Result<Vec<(KeptVolume, Option<InstanceId>)>, EngineError> {
        let kept = self.inner.runtime.volumes(env).await?;
        let model = self.inner.model();
        let held = |volume: KeptVolume| {
            let holder = model.holder(&volume);
            (volume, holder)
        };
        Ok(kept.into_iter().map(held).collect())
    }

    async fn remove_volume(&self, volume: &KeptVolume) -> Result<(), EngineError> {
        // A group that may start an instance in that slot any moment counts as well.
        let wanted = self.inner.model().wants(volume);
        if wanted {
            let KeptVolume { app, env, process, slot, .. } = volume;
            return Err(EngineError::permanent(format!(
                "{process} of {app} in {env} has an instance in slot {slot}: kiln stop {app} {env}"
            )));
        }
        self.inner.runtime.remove_volume(volume).await
    }

    async fn logs(&self, query: LogQuery) -> Result<LogStream, EngineError> {
        logs::read(self.inner.clone(), query).await
    }
}

impl Keeper {
    /// Begins a change in the name of a caller, unless a newer one has been here.
    pub(crate) async fn begin(
        &self,
        call: Call,
        app: &AppName,
        env: &EnvName,
    ) -> Result<Write, EngineError> {
        let mut db = self.inner.db.write().await.map_err(store)?;
        let newest = local::note_epoch(&mut db, app, env, call.epoch).await.map_err(store)?;
        if newest > call.epoch {
            return Err(EngineError::stale(format!(
                "a newer deployment of {app} in {env} is in charge (epoch {newest}, not {})",
                call.epoch
            )));
        }
        Ok(db)
    }

    fn spec_of(&self, group: GroupId) -> Result<Arc<GroupSpec>, EngineError> {
        let model = self.inner.model();
        model.groups.get(&group).map(|g| g.spec.clone()).ok_or_else(|| unknown_group(group))
    }

    /// Whether a group is on its way out, and which instances it is to have.
    fn wanted(&self, group: GroupId) -> Result<(bool, Slots), EngineError> {
        let model = self.inner.model();
        let wanted = model.groups.get(&group).map(|known| (known.removing, known.slots));
        wanted.ok_or_else(|| unknown_group(group))
    }

    fn update(&self, group: GroupId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.inner.model().groups.get_mut(&group) {
            change(group);
        }
        self.inner.changed();
    }

    fn observed(&self, model: &Model, group: &Group) -> ObservedGroup {
        ObservedGroup {
            id: group.spec.id,
            desired: group.slots.count,
            removing: group.removing,
            instances: group.instances.iter().map(|i| self.seen(model, group, i)).collect(),
            crash_loop: group.crash_loop(),
        }
    }

    fn seen(&self, model: &Model, group: &Group, instance: &Instance) -> ObservedInstance {
        let said = model.said(group, instance).map(|(_, said)| said.to_owned());
        let last_check = said.filter(|text| !text.is_empty());
        let exit = match &instance.phase {
            crate::model::Phase::Exited(exit) => Some(exit.clone()),
            _ => None,
        };
        ObservedInstance {
            id: instance.id,
            slot: instance.slot,
            state: model.state(group, instance, Instant::now()),
            address: group.spec.run.port.and_then(|_| instance.known_address()),
            last_check: last_check.or_else(|| instance.waits_for.clone()),
            usage: instance.usage,
            exit,
            started_ms: Some(instance.created_ms),
        }
    }
}

/// What all groups together may use, whether they do or not.
fn promised(model: &Model) -> Resources {
    let mut sum = Resources::default();
    for group in model.groups.values() {
        let size = u64::from(group.slots.count);
        sum.cpu_millis += size * u64::from(group.spec.params.cpu.0);
        sum.memory.0 += size * group.spec.params.memory.0;
    }
    sum
}

fn group_row(spec: &GroupSpec) -> local::GroupRow {
    local::GroupRow {
        id: spec.id,
        app: spec.app.clone(),
        env: spec.env.clone(),
        spec: serde_json::to_string(spec).expect("a spec is plain data"),
        first: 0,
        size: 0,
        removing: false,
    }
}

fn unknown_group(group: GroupId) -> EngineError {
    EngineError::not_found(format!("there is no group {group}"))
}

/// The database may be busy or the disk full for a while.
#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
pub(crate) fn store(error: StoreError) -> EngineError {
    EngineError::retry(crate::exits::chain(&error))
}
