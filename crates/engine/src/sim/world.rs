//! The state of a simulated world, and what is asked of it.

use super::{Behaviour, Moment, Pace};
use crate::{
    Call, Capacity, CrashLoop, Drift, EndedInstance, EngineError, Exit, Figures, GroupSpec,
    InstanceState, LogLine, MemoryPeak, ObservedGroup, ObservedInstance, Resources, Slots, Source,
    TrafficState, TrafficVersion,
};
use kiln_names::{AppName, ByteSize, Digest, EnvName, GroupId, InstanceId};
use std::collections::{BTreeMap, HashMap};

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) pace: Pace,
    pub(super) capacity: Capacity,
    pub(super) ended: Vec<(AppName, EnvName, EndedInstance)>,
    pub(super) drift: Vec<Drift>,
    pub(super) peaks: HashMap<(AppName, EnvName), Vec<MemoryPeak>>,
    pub(super) behaviours: HashMap<Digest, Behaviour>,
    pub(super) groups: BTreeMap<GroupId, SimGroup>,
    pub(super) traffic: BTreeMap<(AppName, EnvName), (TrafficVersion, TrafficState)>,
    pub(super) counted: HashMap<Digest, Figures>,
    pub(super) lines: Vec<LogLine>,
    pub(super) moments: Vec<Moment>,
    /// How well whoever looks sees.
    pub(super) sight: Sight,
    /// Whether what was before each change is kept.
    pub(super) keeps_before: bool,
    before: Vec<((AppName, EnvName), ObservedGroup)>,
    epochs: HashMap<(AppName, EnvName), u64>,
    made: u32,
}

/// How well whoever looks sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// All that is, as it is.
    Clear,
    /// All that was before the last change.
    Stale,
    /// Every second group.
    Partial,
}

/// One group.
#[derive(Debug)]
pub(super) struct SimGroup {
    pub(super) spec: GroupSpec,
    pub(super) slots: Slots,
    pub(super) removing: bool,
    pub(super) instances: Vec<SimInstance>,
    pub(super) crash_loop: Option<CrashLoop>,
    /// Exits in a row before a first passing check.
    pub(super) exits: u32,
}

/// One instance.
#[derive(Debug)]
pub(super) struct SimInstance {
    pub(super) observed: ObservedInstance,
    /// Whether somebody asked for its replacement.
    pub(super) leaving: bool,
    /// Whether it was healthy when it was killed, or stands in for one that was.
    pub(super) mourned: bool,
}

// === impl World ===

impl World {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            capacity: Capacity::unused(Resources {
                cpu_millis: 64_000,
                memory: ByteSize::mib(64 << 10),
            }),
            ended: Vec::new(),
            peaks: HashMap::new(),
            drift: Vec::new(),
            behaviours: HashMap::new(),
            groups: BTreeMap::new(),
            traffic: BTreeMap::new(),
            counted: HashMap::new(),
            lines: Vec::new(),
            moments: Vec::new(),
            sight: Sight::Clear,
            keeps_before: false,
            before: Vec::new(),
            epochs: HashMap::new(),
            made: 0,
        }
    }

    /// Keeps what is, for those who see too late.
    pub(super) fn keep_before(&mut self) {
        if self.keeps_before {
            let tell = |group: &SimGroup| (group.scope(), group.observed());
            self.before = self.groups.values().map(tell).collect();
        }
    }

    /// What whoever looks sees of one application in one environment, or of everything.
    pub(super) fn seen(&self, scope: Option<(&AppName, &EnvName)>) -> Vec<ObservedGroup> {
        let wanted = |app: &AppName, env: &EnvName| {
            scope.is_none_or(|(wanted, there)| app == wanted && env == there)
        };
        let now = self.groups.values().filter(|group| wanted(&group.spec.app, &group.spec.env));
        let now = now.map(SimGroup::observed);
        match self.sight {
            Sight::Clear => now.collect(),
            Sight::Stale => {
                let before = self.before.iter().filter(|((app, env), _)| wanted(app, env));
                before.map(|(_, group)| group.clone()).collect()
            }
            // Now these, now the others.
            Sight::Partial => now.skip(self.moments.len() % 2).step_by(2).collect(),
        }
    }

    /// Refuses a caller that is not the newest.
    pub(super) fn admit(
        &mut self,
        call: Call,
        app: &AppName,
        env: &EnvName,
    ) -> Result<(), EngineError> {
        let newest = self.epochs.entry((app.clone(), env.clone())).or_default();
        if call.epoch < *newest {
            let message =
                format!("change {app} in {env}: epoch {} is older than {newest}", call.epoch);
            return Err(EngineError::stale(message));
        }
        *newest = call.epoch;
        Ok(())
    }

    pub(super) fn ensure_group(&mut self, call: Call, spec: &GroupSpec) -> Result<(), EngineError> {
        self.admit(call, &spec.app, &spec.env)?;
        match self.groups.get(&spec.id) {
            Some(group) if group.removing => {
                Err(EngineError::retry(format!("make {}: it is being removed", spec.name)))
            }
            Some(group) if group.spec != *spec => {
                let message = format!("make {}: it exists with another spec", spec.name);
                Err(EngineError::permanent(message))
            }
            Some(_) => Ok(()),
            None => {
                self.groups.insert(spec.id, SimGroup::new(spec.clone()));
                Ok(())
            }
        }
    }

    pub(super) fn resize(
        &mut self,
        call: Call,
        group: GroupId,
        slots: Slots,
    ) -> Result<(), EngineError> {
        let (app, env) = self.owner(group)?;
        self.admit(call, &app, &env)?;
        let group = self.groups.get_mut(&group).expect("its owner was found");
        if group.removing {
            let message = format!("resize {}: it is being removed", group.spec.name);
            return Err(EngineError::not_found(message));
        }
        group.slots = slots;
        Ok(())
    }

    pub(super) fn replace(&mut self, call: Call, instance: InstanceId) -> Result<(), EngineError> {
        let missing = || EngineError::not_found(format!("replace {instance}: it is not there"));
        let holds = |group: &&SimGroup| group.instances.iter().any(|i| i.observed.id == instance);
        let id = self.groups.values().find(holds).ok_or_else(missing)?.spec.id;
        let (app, env) = self.owner(id)?;
        self.admit(call, &app, &env)?;
        let group = self.groups.get_mut(&id).expect("it was just found");
        for known in group.instances.iter_mut().filter(|i| i.observed.id == instance) {
            known.leaving = true;
        }
        Ok(())
    }

    /// Removing what is not there is already so; nobody can be stale about it.
    pub(super) fn remove(&mut self, call: Call, group: GroupId) -> Result<(), EngineError> {
        let Ok((app, env)) = self.owner(group) else { return Ok(()) };
        self.admit(call, &app, &env)?;
        let group = self.groups.get_mut(&group).expect("its owner was found");
        group.removing = true;
        Ok(())
    }

    pub(super) fn kill(&mut self, instance: InstanceId) {
        let killed = Exit {
            code: None,
            signal: Some(9),
            out_of_memory: false,
            cause: "killed by signal 9".to_owned(),
            at_ms: 0,
            memory_peak: None,
        };
        for group in self.groups.values_mut() {
            let spec = &group.spec;
            for known in group.instances.iter_mut().filter(|i| i.observed.id == instance) {
                known.mourned |= known.observed.state == InstanceState::Healthy;
                known.observed.state = InstanceState::Exited;
                known.observed.exit = Some(killed.clone());
                let ended = EndedInstance {
                    group: spec.id,
                    group_name: spec.name.clone(),
                    instance: known.observed.clone(),
                };
                self.ended.insert(0, (spec.app.clone(), spec.env.clone(), ended));
            }
        }
    }

    fn owner(&self, group: GroupId) -> Result<(AppName, EnvName), EngineError> {
        let missing = || EngineError::not_found(format!("change group {group}: it is not there"));
        Ok(self.groups.get(&group).ok_or_else(missing)?.scope())
    }

    /// A new instance of a group, not started yet.
    pub(super) fn instance(made: &mut u32, spec: &GroupSpec, slot: u32) -> SimInstance {
        *made += 1;
        let [a, b, c, d] = made.to_be_bytes();
        let port = u16::try_from(1024 + *made % 60_000).expect("it is below 2^16");
        let observed = ObservedInstance {
            id: InstanceId::from_random([0, 0, a, b, c, d]),
            slot,
            state: InstanceState::Pending,
            address: spec.run.port.map(|_| ([127, 0, 0, 1], port).into()),
            last_check: None,
            exit: None,
            started_ms: None,
            usage: None,
        };
        SimInstance { observed, leaving: false, mourned: false }
    }

    pub(super) fn made(&mut self) -> &mut u32 {
        &mut self.made
    }

    pub(super) fn say(&mut self, group: GroupId, instance: InstanceId, text: &str) {
        let Some(group) = self.groups.get(&group) else { return };
        self.lines.push(LogLine {
            instance,
            group: group.spec.name.clone(),
            time: format!("1970-01-01T00:00:{:02}Z", self.lines.len() % 60),
            source: Source::Stderr,
            text: text.to_owned(),
        });
    }
}

// === impl SimGroup ===

impl SimGroup {
    const fn new(spec: GroupSpec) -> Self {
        Self {
            spec,
            slots: Slots { first: 0, count: 0 },
            removing: false,
            instances: Vec::new(),
            crash_loop: None,
            exits: 0,
        }
    }

    fn scope(&self) -> (AppName, EnvName) {
        (self.spec.app.clone(), self.spec.env.clone())
    }

    pub(super) fn healthy(&self) -> usize {
        self.instances.iter().filter(|i| i.observed.state == InstanceState::Healthy).count()
    }

    /// How many killed instances have no healthy successor yet.
    pub(super) fn mourned(&self) -> usize {
        let healthy = |i: &&SimInstance| i.observed.state == InstanceState::Healthy;
        self.instances.iter().filter(|i| i.mourned && !healthy(i)).count()
    }

    pub(super) fn observed(&self) -> ObservedGroup {
        ObservedGroup {
            id: self.spec.id,
            desired: if self.removing { 0 } else { self.slots.count },
            removing: self.removing,
            instances: self.instances.iter().map(|i| i.observed.clone()).collect(),
            crash_loop: self.crash_loop.clone(),
        }
    }
}
