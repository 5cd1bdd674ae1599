//! Deployments as a server tells them, to be drawn.

use super::super::course::{Course, Subject};
use super::super::draw::{Size, draw};
use kiln_names::{AppName, DeploymentId, EnvName, GroupName, InstanceId, ProcessName, ReleaseId};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{DeploymentEvent, DeploymentState, Happening, PlannedAction};
use kiln_protocol::status::{Group, GroupState, Instance};

/// When all of them begin.
const NOON: u64 = 1_795_262_400_000;

/// A deployment that is told event by event.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) course: Course,
    pub(super) plan: Vec<PlannedAction>,
    pub(super) now_ms: u64,
}

impl Told {
    /// One that is asked for now.
    pub(super) fn deploy() -> Self {
        let subject = Subject {
            id: DeploymentId::from_random([1, 2, 3, 4, 5, 6]),
            app: AppName::parse("hello").unwrap(),
            env: EnvName::parse("prod").unwrap(),
            verb: "deploy".to_owned(),
        };
        let told = Self { course: Course::new(subject), plan: Vec::new(), now_ms: NOON };
        told.state(DeploymentState::Preparing)
    }

    /// Time passes.
    pub(super) const fn after(mut self, milliseconds: u64) -> Self {
        self.now_ms += milliseconds;
        self
    }

    pub(super) fn tell(mut self, what: Happening) -> Self {
        let event = DeploymentEvent { seq: 0, at: Timestamp(self.now_ms), what };
        self.course.take(&event);
        self
    }

    pub(super) fn state(self, state: DeploymentState) -> Self {
        self.tell(Happening::State { state, reason: None })
    }

    pub(super) fn state_for(self, state: DeploymentState, reason: &str) -> Self {
        self.tell(Happening::State { state, reason: Some(reason.to_owned()) })
    }

    /// The plan, as `phase action` lines.
    pub(super) fn sealed(mut self, plan: &str) -> Self {
        self.plan = planned(plan);
        self.sealed_with(&[])
    }

    /// The same, with what a person may want to know of it.
    pub(super) fn noted(mut self, plan: &str, notes: &[&str]) -> Self {
        self.plan = planned(plan);
        self.sealed_with(notes)
    }

    fn sealed_with(self, notes: &[&str]) -> Self {
        let (plan, release) = (self.plan.clone(), Some(ReleaseId::of(b"two")));
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        self.tell(Happening::Sealed { release, actions: plan.len(), notes, plan })
            .state(DeploymentState::Running)
    }

    /// Somebody, or a failure, asked to take it back.
    pub(super) fn undo(mut self, plan: &str, reason: &str) -> Self {
        self.plan = planned(plan);
        let (verb, user) = ("undo".to_owned(), "kiln".to_owned());
        let plan = self.plan.clone();
        let told = self.tell(Happening::Command { verb, user, plan });
        told.state_for(DeploymentState::Running, reason)
    }

    /// The action of that place begins.
    pub(super) fn begins(self, place: usize) -> Self {
        let of = self.plan.len();
        let PlannedAction { phase, name: action, description: summary } =
            self.plan[place - 1].clone();
        self.tell(Happening::ActionStarted { action, phase, summary, place, of })
    }

    pub(super) fn waits(self, note: &str) -> Self {
        self.tell(Happening::ActionWaiting { action: "it".to_owned(), note: note.to_owned() })
    }

    pub(super) fn ends(self, milliseconds: u64) -> Self {
        let action = "it".to_owned();
        self.tell(Happening::ActionDone { action, note: None, milliseconds })
    }

    /// The actions of those places begin and end, each in a tenth of a second.
    pub(super) fn does(self, places: std::ops::RangeInclusive<usize>) -> Self {
        places.fold(self, |told, place| told.begins(place).after(100).ends(100))
    }

    pub(super) fn fails(self, reason: &str) -> Self {
        let action = "it".to_owned();
        self.tell(Happening::ActionFailed { action, reason: reason.to_owned() })
    }

    pub(super) fn groups(self, groups: Vec<Group>, instances: Vec<Instance>) -> Self {
        self.tell(Happening::Groups { groups, instances })
    }

    /// As it is drawn on a terminal of 80 columns and that many rows.
    pub(super) fn on_rows(&self, rows: usize) -> String {
        self.on(Size { rows, columns: 80 })
    }

    pub(super) fn on(&self, size: Size) -> String {
        let lines = draw(&self.course, Timestamp(self.now_ms), size);
        lines.iter().map(|line| format!("{}\n", line.text())).collect()
    }
}

fn planned(plan: &str) -> Vec<PlannedAction> {
    let action = |line: &str| {
        let (phase, name) = line.trim().split_once(' ').unwrap();
        let description = format!("what {name} does");
        PlannedAction { phase: phase.to_owned(), name: name.to_owned(), description }
    };
    plan.trim().lines().map(action).collect()
}

/// Group `hello-prod-PROCESS-vNNN` with two instances, all healthy.
pub(super) fn group(process: &str, number: u32, state: GroupState, weight: Option<u32>) -> Group {
    Group {
        name: GroupName::parse(&format!("hello-prod-{process}-v{number:03}")).unwrap(),
        process: ProcessName::parse(process).unwrap(),
        release: ReleaseId::of(b"one"),
        version: Some(format!("hello:1.{number}")),
        state,
        size: 2,
        healthy: 2,
        memory: None,
        memory_peak: None,
        memory_limit: None,
        weight,
        in_flight: None,
        routes: Vec::new(),
        kept_until: None,
    }
}

/// An instance of that group.
pub(super) fn instance(group: &Group, slot: u32, state: &str, check: Option<&str>) -> Instance {
    Instance {
        id: InstanceId::from_random([0, 0, 0, 0, 0, u8::try_from(slot).unwrap()]),
        group: group.name.clone(),
        process: None,
        slot,
        state: state.to_owned(),
        address: None,
        started: None,
        last_check: check.map(str::to_owned),
        exit: None,
        out_of_memory: false,
        ended: None,
        memory: None,
        memory_peak: None,
        memory_limit: None,
    }
}
