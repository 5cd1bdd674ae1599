//! What a keeper knows of its groups and instances, in memory; the database holds what must last.

mod failures;

use crate::{Birth, external};
use failures::Failures;
use kiln_engine::{
    CrashLoop, Exit, GroupSpec, InstanceState, KeptVolume, Slots, TrafficState, TrafficVersion,
    Usage,
};
use kiln_names::{AppName, EnvName, GroupId, InstanceId};
use kiln_router::{Health, InstanceStatus};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process without a port counts as started once it has run this long: enough for a command that
/// fails at once to be seen failing, little enough not to be felt in a deployment.
pub(crate) const PORTLESS_START: Duration = Duration::from_millis(100);
/// An instance that was healthy for so long ends a row of failures.
pub(crate) const PROVEN: Duration = Duration::from_secs(10);

/// All groups, by id.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) traffic: BTreeMap<(AppName, EnvName), AskedTraffic>,
    /// What the router last said of each instance it knows.
    pub(crate) router: RouterView,
}

/// The traffic that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct AskedTraffic {
    pub(crate) version: TrafficVersion,
    pub(crate) state: TrafficState,
    /// The first table that holds it.
    pub(crate) table: u64,
}

/// What the router last said.
#[derive(Debug, Default)]
pub(crate) struct RouterView {
    /// The table it had in force: epoch and version.
    pub(crate) number: (u64, u64),
    /// The port where it takes traffic.
    pub(crate) door: Option<u16>,
    pub(crate) instances: HashMap<InstanceId, InstanceStatus>,
}

/// One group: what is wanted, and what there is.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) spec: Arc<GroupSpec>,
    pub(crate) slots: Slots,
    pub(crate) removing: bool,
    pub(crate) instances: Vec<Instance>,
    pub(crate) failures: Failures,
}

/// One instance that runs, ran, or is about to.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) slot: u32,
    /// Where it listens; its IP is unspecified until the launch tells it.
    pub(crate) address: SocketAddr,
    pub(crate) created_ms: u64,
    pub(crate) phase: Phase,
    /// Whether its main process was started, and has not ended.
    pub(crate) started: bool,
    /// What its start waits for, in words.
    pub(crate) waits_for: Option<String>,
    /// What was seen inside, where its check looks there.
    pub(crate) inside: Option<Inside>,
    /// Since when its check passes, without a break.
    pub(crate) healthy_since: Option<Instant>,
    /// Since when the router calls it unhealthy.
    pub(crate) unhealthy_since: Option<Instant>,
    /// Whether its check ever passed.
    pub(crate) passed: bool,
    /// Whether an identical one is to take its place.
    pub(crate) replacing: bool,
    /// Why the keeper stopped it, where that is not for a smaller size.
    pub(crate) stopped_for: Option<String>,
    /// What it used when last looked at.
    pub(crate) usage: Option<Usage>,
    /// When that was, and the processor time it had used by then.
    pub(crate) cpu_seen: Option<(Instant, Duration)>,
}

/// What a check from inside says of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) health: Health,
    /// What was seen, in words.
    pub(crate) said: String,
}

/// Where an instance is in its life, as the keeper drives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Recorded, not started yet.
    Launching,
    /// Its main process runs, since then.
    Running(Instant),
    /// Out of the table, or on its way out of it.
    Draining,
    /// It ended so.
    Exited(Exit),
}

impl Model {
    /// The state of an instance as people see it.
    pub(crate) fn state(&self, group: &Group, instance: &Instance, now: Instant) -> InstanceState {
        state(group, instance, self.said(group, instance).map(|(health, _)| health), now)
    }

    /// What the checks of an instance say of it, and in which words: the worse of what the router and
    /// what a look inside says, where it has both. Nothing where none of them has said anything.
    pub(crate) fn said<'a>(
        &'a self,
        group: &Group,
        instance: &'a Instance,
    ) -> Option<(Health, &'a str)> {
        said(&self.router, &group.spec, instance)
    }

    /// Takes what the router says of these groups, and notes which instances pass their check since
    /// when.
    pub(crate) fn hear(
        &mut self,
        number: (u64, u64),
        door: u16,
        said: &[InstanceStatus],
        now: Instant,
    ) {
        let outside: HashSet<GroupId> =
            self.traffic.values().flat_map(|asked| external::ids(&asked.state)).collect();
        let known = |group| self.groups.contains_key(group) || outside.contains(group);
        let ours = said.iter().filter(|status| known(&status.group));
        let instances = ours.map(|status| (status.id, status.clone())).collect();
        self.router = RouterView { number, door: Some(door), instances };
        self.note_health(now);
    }

    /// Notes which instances pass, and ends rows of failures that they disprove.
    pub(crate) fn note_health(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            let (spec, failures) = (&group.spec, &mut group.failures);
            for instance in &mut group.instances {
                let said = said(&self.router, spec, instance).map(|(health, _)| health);
                let healthy = is_healthy(is_checked(spec), instance, said, now);
                let proven = instance.healthy_since.is_some_and(|since| now - since >= PROVEN);
                if proven {
                    failures.forgive(instance.slot);
                }
                instance.healthy_since = healthy.then(|| instance.healthy_since.unwrap_or(now));
                // Unhealthy, unlike failed, is said only of one that passed before: perhaps under
                // the server before this one.
                let unhealthy = said == Some(Health::Unhealthy);
                let since = instance.unhealthy_since.unwrap_or(now);
                instance.unhealthy_since = unhealthy.then_some(since);
                let passed = healthy || unhealthy;
                if passed && !instance.passed {
                    instance.passed = true;
                    failures.prove();
                }
            }
        }
    }

    /// The instance that has a volume.
    pub(crate) fn holder(&self, volume: &KeptVolume) -> Option<InstanceId> {
        let groups = self.groups.values().filter(|group| group.keeps(volume));
        let mut instances = groups.flat_map(|group| &group.instances);
        let holds = |it: &&Instance| it.slot == volume.slot && !it.phase.ended();
        instances.find(holds).map(|it| it.id)
    }

    /// Whether an instance that was decided on may still begin: while addresses and the database were
    /// waited for, its slot may have become another's.
    pub(crate) fn has_place(&self, birth: &Birth) -> bool {
        let Some(group) = self.groups.get(&birth.spec.id) else { return false };
        if birth.spec.params.volumes.is_empty() {
            return true;
        }
        let mut own = group.instances.iter().filter(|it| it.slot == birth.slot);
        group.slots.contains(birth.slot)
            && !group.removing
            && own.all(|it| it.phase.ended())
            && !self.held_elsewhere(group).contains(&birth.slot)
    }

    /// Whether an instance has a volume, or may have at any moment.
    pub(crate) fn wants(&self, volume: &KeptVolume) -> bool {
        let mut groups = self.groups.values().filter(|group| group.keeps(volume));
        self.holder(volume).is_some() || groups.any(|group| group.slots.contains(volume.slot))
    }

    /// The slots of a group whose volumes instances of other groups still have.
    pub(crate) fn held_elsewhere(&self, group: &Group) -> BTreeSet<u32> {
        let spec = &group.spec;
        if spec.params.volumes.is_empty() {
            return BTreeSet::new();
        }
        let same = |other: &&Group| {
            let other = &other.spec;
            let volumes = || other.params.volumes.iter().any(|it| spec.params.keeps(&it.name));
            other.id != spec.id
                && (&other.app, &other.env, &other.process) == (&spec.app, &spec.env, &spec.process)
                && volumes()
        };
        let others = self.groups.values().filter(same).flat_map(|other| &other.instances);
        others.filter(|other| !other.phase.ended()).map(|other| other.slot).collect()
    }

    /// The instances of some groups whose main process runs.
    pub(crate) fn running(&self, wanted: impl Fn(&GroupSpec) -> bool) -> Vec<InstanceId> {
        let groups = self.groups.values().filter(|group| wanted(&group.spec));
        let instances = groups.flat_map(|group| &group.instances);
        instances.filter(|i| matches!(i.phase, Phase::Running(_))).map(|i| i.id).collect()
    }

    /// What an instance that has not ended is started from, and whether it runs.
    pub(crate) fn birth(&self, id: InstanceId) -> Option<(Birth, bool)> {
        self.groups.values().find_map(|group| {
            let instance = group.instances.iter().find(|i| i.id == id && !i.phase.ended())?;
            Some((group.birth(instance), instance.started))
        })
    }

    /// The instances that run and that nobody is starting, draining or stopping.
    pub(crate) fn settled(&self) -> Vec<Birth> {
        let settled = |i: &&Instance| matches!(i.phase, Phase::Running(_)) && i.started;
        let of_group = |group: &Group| -> Vec<Birth> {
            group.instances.iter().filter(settled).map(|i| group.birth(i)).collect()
        };
        self.groups.values().flat_map(of_group).collect()
    }

    /// Finds an instance that has not ended.
    pub(crate) fn live(&mut self, id: InstanceId) -> Option<(&Arc<GroupSpec>, &mut Instance)> {
        self.groups.values_mut().find_map(|group| {
            let instance = group.instances.iter_mut().find(|i| i.id == id)?;
            (!instance.phase.ended()).then_some((&group.spec, instance))
        })
    }
}

impl Group {
    /// A group without instances.
    pub(crate) fn new(spec: Arc<GroupSpec>, slots: Slots, removing: bool) -> Self {
        Self { spec, slots, removing, instances: Vec::new(), failures: Failures::default() }
    }

    /// Whether a volume is one of its instances'.
    fn keeps(&self, volume: &KeptVolume) -> bool {
        let GroupSpec { app, env, process, params, .. } = &*self.spec;
        (app, env, process) == (&volume.app, &volume.env, &volume.process)
            && params.keeps(&volume.name)
    }

    fn birth(&self, instance: &Instance) -> Birth {
        Birth {
            spec: self.spec.clone(),
            id: instance.id,
            slot: instance.slot,
            address: instance.address,
            size: self.slots.count,
        }
    }

    /// Whether instances keep exiting before any has passed a check.
    pub(crate) fn crash_loop(&self) -> Option<CrashLoop> {
        self.failures.crash_loop()
    }

    /// Adds an instance about to start; what ended in its slot makes room.
    pub(crate) fn add(&mut self, instance: Instance) {
        self.instances.retain(|old| old.slot != instance.slot || !old.phase.ended());
        self.instances.push(instance);
        self.instances.sort_by_key(|i| (i.slot, i.created_ms));
    }

    /// Notes that an instance ended; an exit that nobody asked for counts as a failure.
    pub(crate) fn ended(&mut self, id: InstanceId, exit: Exit, now: Instant) {
        let Some(at) = self.instances.iter().position(|i| i.id == id) else { return };
        let instance = &mut self.instances[at];
        let asked = instance.phase == Phase::Draining && instance.stopped_for.is_none();
        let proven = instance.healthy_since.is_some_and(|since| now - since >= PROVEN);
        instance.phase = Phase::Exited(exit.clone());
        instance.healthy_since = None;
        if asked {
            self.instances.remove(at);
            return;
        }
        if proven {
            self.failures.forgive(instance.slot);
        }
        self.failures.add(instance, exit, now);
    }
}

impl Instance {
    /// One that is about to start.
    pub(crate) fn new(id: InstanceId, slot: u32, address: SocketAddr, created_ms: u64) -> Self {
        Self {
            id,
            slot,
            address,
            created_ms,
            phase: Phase::Launching,
            started: false,
            waits_for: None,
            inside: None,
            healthy_since: None,
            unhealthy_since: None,
            passed: false,
            replacing: false,
            stopped_for: None,
            usage: None,
            cpu_seen: None,
        }
    }

    /// Where it listens, once that is known.
    pub(crate) fn known_address(&self) -> Option<SocketAddr> {
        (!self.address.ip().is_unspecified()).then_some(self.address)
    }

    /// How long it must still be waited for whether others of its group fail as it does: instances
    /// that share what has died are not checked at the same moment.
    pub(crate) fn doubt(&self, grace: Duration, now: Instant) -> Option<Duration> {
        let left = grace.saturating_sub(now.saturating_duration_since(self.unhealthy_since?));
        (!left.is_zero()).then_some(left)
    }
}

impl Phase {
    pub(crate) fn ended(&self) -> bool {
        matches!(self, Self::Exited(_))
    }
}

/// Whether anything is looked at but that it runs.
fn is_checked(spec: &GroupSpec) -> bool {
    spec.run.port.is_some() || spec.params.inside_check.is_some()
}

fn said<'a>(
    router: &'a RouterView,
    spec: &GroupSpec,
    instance: &'a Instance,
) -> Option<(Health, &'a str)> {
    let outside = router.instances.get(&instance.id);
    let outside = outside.map(|said| (said.health, said.last_check.as_str()));
    let inside = instance.inside.as_ref().map(|seen| (seen.health, seen.said.as_str()));
    match (spec.run.port.is_some(), spec.params.inside_check.is_some()) {
        (true, false) => outside,
        (false, _) => inside,
        // Whoever is not well inside is not in the router's table.
        (true, true) => match (outside, inside?) {
            (_, inside) if !inside.0.takes_traffic() => Some(inside),
            (outside, inside) => {
                outside.map(|it| if severity(inside.0) > severity(it.0) { inside } else { it })
            }
        },
    }
}

const fn severity(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Presumed => 1,
        Health::Starting => 2,
        Health::Unhealthy => 3,
        Health::Failed => 4,
    }
}

fn is_healthy(checked: bool, instance: &Instance, said: Option<Health>, now: Instant) -> bool {
    match (&instance.phase, checked) {
        (Phase::Running(since), false) => now - *since >= PORTLESS_START,
        (Phase::Running(_), true) => match said {
            Some(Health::Healthy) => true,
            // What a router that came back supposes is no news of one that never passed.
            Some(Health::Presumed) => instance.passed,
            _ => false,
        },
        _ => false,
    }
}

fn state(group: &Group, instance: &Instance, said: Option<Health>, now: Instant) -> InstanceState {
    let checked = is_checked(&group.spec);
    match &instance.phase {
        Phase::Launching => InstanceState::Pending,
        Phase::Draining => InstanceState::Draining,
        Phase::Exited(_) => InstanceState::Exited,
        Phase::Running(_) if is_healthy(checked, instance, said, now) => InstanceState::Healthy,
        Phase::Running(_) => match said {
            Some(Health::Unhealthy | Health::Failed) => InstanceState::Unhealthy,
            _ => InstanceState::Starting,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(slot: u32, passed: bool) -> Instance {
        let address = "10.0.0.1:80".parse().unwrap();
        Instance { passed, ..Instance::new(InstanceId::from_random([1; 6]), slot, address, 0) }
    }

    fn group(number: u8, volume: &str, slots: u32) -> Group {
        let (app, env) = (AppName::parse("store").unwrap(), EnvName::parse("prod").unwrap());
        let process: kiln_names::ProcessName = "db".parse().unwrap();
        let params = format!(
            r#"{{"strategy": {{"type": "one-by-one"}}, "processes": {{"db":
                {{"volumes": [{{"name": "{volume}", "path": "/data"}}]}}}}}}"#
        );
        let params = kiln_protocol::configuration::DeploymentParams::parse(&params).unwrap();
        let spec = GroupSpec {
            id: GroupId::from_random([number; 4]),
            name: format!("store-prod-db-v{number:03}").parse().unwrap(),
            number: kiln_names::GroupNumber(number.into()),
            release: kiln_names::ReleaseId::of(b"any"),
            image: kiln_names::Digest::of(b"any"),
            run: serde_json::from_str(r#"{"command": ["/db"], "uid": 1, "gid": 1}"#).unwrap(),
            params: params.resolve(&app, &env, &process, false),
            user_data: kiln_engine::UserData::default(),
            secrets: kiln_names::SecretVersions::new(),
            app,
            env,
            process,
        };
        Group::new(Arc::new(spec), slots.into(), false)
    }

    fn birth(group: &Group, slot: u32) -> Birth {
        group.birth(&instance(slot, false))
    }

    #[test]
    fn a_slot_whose_volume_somebody_has_is_nobody_elses() {
        let (mut old, new, other) = (group(1, "data", 1), group(2, "data", 1), group(3, "log", 1));
        let births = [birth(&new, 0), birth(&other, 0)];
        old.add(instance(0, true));
        let groups = [old, new, other].map(|group| (group.spec.id, group));
        let mut model = Model { groups: groups.into(), ..Model::default() };
        let place = |model: &Model| births.each_ref().map(|birth| model.has_place(birth));
        assert_eq!(place(&model), [false, true], "another volume is another's");
        let old = model.groups.get_mut(&GroupId::from_random([1; 4])).unwrap();
        old.instances[0].phase = Phase::Draining;
        assert_eq!(place(&model), [false, true]);
        let old = model.groups.get_mut(&GroupId::from_random([1; 4])).unwrap();
        old.instances[0].phase = Phase::Exited(Exit {
            code: Some(0),
            signal: None,
            out_of_memory: false,
            cause: String::new(),
            at_ms: 0,
            memory_peak: None,
        });
        assert_eq!(place(&model), [true, true]);
    }

    #[test]
    fn an_instance_has_no_place_in_a_slot_that_its_group_has_lost() {
        let new = group(1, "data", 1);
        let (late, taken) = (birth(&new, 1), birth(&new, 0));
        let id = new.spec.id;
        let mut model = Model { groups: [(id, new)].into(), ..Model::default() };
        assert!(!model.has_place(&late) && model.has_place(&taken));
        model.groups.get_mut(&id).unwrap().add(instance(0, false));
        assert!(!model.has_place(&taken), "somebody else was quicker");
        model.groups.get_mut(&id).unwrap().instances.clear();
        model.groups.get_mut(&id).unwrap().removing = true;
        assert!(!model.has_place(&taken));
    }

    #[test]
    fn what_a_router_supposes_is_healthy_only_of_one_that_passed() {
        let now = Instant::now();
        let health = |passed, health| {
            let mut instance = instance(0, passed);
            instance.phase = Phase::Running(now);
            is_healthy(true, &instance, Some(health), now)
        };
        assert!(health(false, Health::Healthy));
        assert!(health(true, Health::Presumed));
        assert!(!health(false, Health::Presumed));
        assert!(!health(true, Health::Unhealthy));
    }

    #[test]
    fn who_is_looked_at_twice_is_as_well_as_the_worse_of_both() {
        use Health::{Failed, Healthy, Presumed, Starting, Unhealthy};
        let order = [Healthy, Presumed, Starting, Unhealthy, Failed];
        assert!(order.is_sorted_by_key(|health| severity(*health)));
    }
}
