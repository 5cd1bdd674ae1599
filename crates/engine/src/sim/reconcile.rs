//! How a simulated world goes from what is to what should be, one step at a time.

use super::Behaviour;
use super::world::{SimGroup, SimInstance, World};
use crate::{CrashLoop, Exit, InstanceState, Slots};
use kiln_names::{GroupId, InstanceId};

/// Exits in a row, before a first passing check, that make a crash loop.
const CRASH_LOOP_EXITS: u32 = 3;
/// More steps than any world needs to come to rest: one that does not has a fault of its own.
const MOST_STEPS: usize = 64;

impl World {
    /// Steps until nothing moves.
    pub(super) fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            if !self.step() {
                return;
            }
        }
    }

    /// Lets every instance take one step; returns whether any did.
    pub(super) fn step(&mut self) -> bool {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        let moved = ids.into_iter().map(|id| self.step_group(id)).filter(|moved| *moved).count();
        moved > 0
    }

    fn step_group(&mut self, id: GroupId) -> bool {
        let Some(mut group) = self.groups.remove(&id) else { return false };
        let behaviour = self.behaviours.get(&group.spec.image).cloned().unwrap_or_default();
        let moved = advance(&mut group, &behaviour) | group.reconcile(self.made());
        if group.removing && group.instances.is_empty() {
            return true;
        }
        let exited = group.just_exited(moved);
        self.groups.insert(id, group);
        if let (Some(instance), Behaviour::Crash { says, .. }) = (exited, behaviour) {
            self.say(id, instance, &says);
        }
        moved
    }
}

/// Every instance takes the next step of its own life.
fn advance(group: &mut SimGroup, behaviour: &Behaviour) -> bool {
    let before = group.instances.len();
    group.instances.retain(|i| i.observed.state != InstanceState::Draining);
    let mut moved = group.instances.len() != before;
    for at in 0..group.instances.len() {
        let observed = &mut group.instances[at].observed;
        match (observed.state, behaviour) {
            (InstanceState::Pending, _) => observed.state = InstanceState::Starting,
            (InstanceState::Starting, Behaviour::Healthy) => {
                observed.state = InstanceState::Healthy;
                observed.last_check = Some("200 OK".to_owned());
                group.exits = 0;
                group.instances[at].mourned = false;
            }
            (InstanceState::Starting, Behaviour::NeverHealthy { last_check })
                if observed.last_check.is_none() =>
            {
                observed.last_check = Some(last_check.clone());
            }
            (InstanceState::Starting, Behaviour::Crash { code, .. }) => group.crash(at, *code),
            _ => continue,
        }
        moved = true;
    }
    moved
}

// === impl SimGroup ===

impl SimGroup {
    /// Starts what is missing, drains what is too much.
    fn reconcile(&mut self, made: &mut u32) -> bool {
        let slots = if self.removing { Slots::default() } else { self.slots };
        let mut moved = false;
        for instance in &mut self.instances {
            if !slots.contains(instance.observed.slot) {
                instance.observed.state = InstanceState::Draining;
                moved = true;
            }
        }
        for slot in slots.iter() {
            moved |= self.reconcile_slot(slot, made);
        }
        moved
    }

    fn reconcile_slot(&mut self, slot: u32, made: &mut u32) -> bool {
        let here = |i: &SimInstance| i.observed.slot == slot;
        let lives = |i: &SimInstance| here(i) && i.observed.state != InstanceState::Exited;
        let staying = |i: &SimInstance| lives(i) && !i.leaving;
        let successor_healthy =
            self.instances.iter().any(|i| staying(i) && i.observed.state == InstanceState::Healthy);
        let mut moved = false;
        if successor_healthy {
            for old in self.instances.iter_mut().filter(|i| here(i) && i.leaving) {
                old.observed.state = InstanceState::Draining;
                moved = true;
            }
        }
        if !self.instances.iter().any(staying) && self.crash_loop.is_none() {
            let exited = |i: &SimInstance| here(i) && i.observed.state == InstanceState::Exited;
            let mourns = self.instances.iter().any(|i| exited(i) && i.mourned);
            self.instances.retain(|i| !exited(i));
            let successor = World::instance(made, &self.spec, slot);
            self.instances.push(SimInstance { mourned: mourns, ..successor });
            self.instances.sort_by_key(|i| (i.observed.slot, i.observed.id));
            moved = true;
        }
        moved
    }

    fn crash(&mut self, at: usize, code: i32) {
        let exit = Exit {
            code: Some(code),
            signal: None,
            out_of_memory: false,
            cause: format!("exited with code {code}"),
            at_ms: 0,
            memory_peak: None,
        };
        let observed = &mut self.instances[at].observed;
        observed.state = InstanceState::Exited;
        observed.exit = Some(exit.clone());
        self.exits += 1;
        if self.exits >= CRASH_LOOP_EXITS && self.crash_loop.is_none() {
            let instance = observed.id;
            self.crash_loop = Some(CrashLoop { exits: self.exits, last: exit, instance });
        }
    }

    /// The instance that the crash loop blames, when this step found it.
    fn just_exited(&self, moved: bool) -> Option<InstanceId> {
        self.crash_loop.as_ref().filter(|_| moved).map(|crash| crash.instance)
    }
}
