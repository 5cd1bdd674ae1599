//! Red/black: new groups beside the old ones, then all traffic at once.
//!
//! This is the table of a deployment's actions. Each is explained in its own file.

use super::sequence::Sequence;
use super::{Phase, PlannedAction, Shares};
use crate::Target;
use crate::actions::{
    Announce, ApplyTraffic, AwaitExist, AwaitGone, AwaitInForce, AwaitRouted, AwaitStable,
    AwaitStarted, AwaitStartup, Becomes, CancelRetirement, ClaimRoutes, Due, EnsureGroups,
    EnsureImage, Expected, FreeRoutes, Pause, RecordRelease, RemoveGroups, Resize, ResizeGroups,
    RetireGroups, Retiree, StopUnrouted, Watch,
};
use crate::place::{Claim, GroupRef, KnownGroup, Place, routed};
use kiln_engine::{GroupSpec, TrafficState};
use kiln_names::Span;
use kiln_protocol::configuration::{DeploymentSettings, Pauses};
use kiln_protocol::status::GroupState;

/// Who takes part in a deployment, and what was decided about it.
#[derive(Debug)]
pub(crate) struct Cast<'a> {
    pub(crate) target: &'a Target,
    pub(crate) place: &'a Place,
    /// What the traffic carries now.
    pub(crate) in_force: &'a TrafficState,
    /// Groups to be made.
    pub(crate) new: Vec<GroupSpec>,
    /// Warm groups to be used again, with the size that they need.
    pub(crate) reused: Vec<(KnownGroup, u32)>,
    /// Warm groups that make room for new ones.
    pub(crate) room: Vec<KnownGroup>,
    /// Whether the reused groups can take all traffic as they are.
    pub(crate) ready: bool,
    pub(crate) claims: Vec<Claim>,
    pub(crate) settings: &'a DeploymentSettings,
    /// Where it waits for a person, and what that person looks at.
    pub(crate) pauses: Pauses,
    pub(crate) judgement: Option<String>,
    /// How long the groups that are left stay warm.
    pub(crate) keep_warm: Span,
    pub(crate) record: RecordRelease,
    /// "deploy r-0123 as v003 to hello in prod"
    pub(crate) title: String,
}

/// The actions, in order. A rollback to groups that are ready moves the traffic before anything
/// else: people who roll back are in a hurry.
pub(crate) fn red_black(cast: &Cast<'_>) -> Vec<PlannedAction> {
    let shares = Shares::plan(cast.target, cast.place, &cast.incoming_specs());
    let mut plan = Sequence::default();
    begin(&mut plan, cast);
    if cast.ready {
        shift(&mut plan, cast, cast.in_force.clone(), &shares);
        create(&mut plan, cast, None);
        settle(&mut plan, cast);
        stop_unrouted(&mut plan, cast);
    } else {
        create(&mut plan, cast, Some(&shares));
        settle(&mut plan, cast);
        plan.add(Phase::Shift, AwaitRouted { groups: cast.expected(Routed::Only) });
        if cast.pauses.pause_after_instances_healthy {
            plan.add(Phase::Shift, cast.pause("the traffic moves"));
        }
        stop_unrouted(&mut plan, cast);
        shift(&mut plan, cast, shares.held.clone(), &shares);
        watch(&mut plan, cast);
        if cast.pauses.pause_before_old_removed {
            plan.add(Phase::Watch, cast.pause("the old groups are given up"));
        }
    }
    finish(&mut plan, cast);
    plan.into_actions()
}

fn begin(plan: &mut Sequence, cast: &Cast<'_>) {
    let before = cast.place.claims.clone();
    plan.add(Phase::Create, ClaimRoutes { claims: cast.claims.clone(), before });
    plan.add(Phase::Create, CancelRetirement { groups: cast.reclaimed() });
    plan.add(Phase::Create, Announce { text: format!("{} begins", cast.title) });
}

fn create(plan: &mut Sequence, cast: &Cast<'_>, held: Option<&Shares>) {
    let groups: Vec<GroupRef> = cast.room.iter().map(KnownGroup::group).collect();
    let patience = cast.room.iter().map(KnownGroup::time_to_leave).max().unwrap_or_default();
    let restore = Vec::new();
    plan.add(Phase::Create, RemoveGroups { groups: groups.clone(), restore });
    plan.add(Phase::Create, AwaitGone { groups, patience });
    let image = cast.new.first().map(|spec| spec.image);
    plan.add(Phase::Create, EnsureImage { image });
    plan.add(Phase::Create, EnsureGroups { specs: cast.new.clone() });
    if let Some(shares) = held {
        let hold = ApplyTraffic {
            what: "check the new groups, without traffic".to_owned(),
            from: cast.in_force.clone(),
            to: shares.held.clone(),
            back: shares.before.clone(),
            needs: Vec::new(),
            back_needs: Vec::new(),
            becomes: Vec::new(),
        };
        plan.add(Phase::Create, hold);
    }
    plan.add(Phase::Create, ResizeGroups { groups: cast.resizes() });
}

fn settle(plan: &mut Sequence, cast: &Cast<'_>) {
    let groups =
        || if cast.ready { cast.expected(Routed::Not) } else { cast.expected(Routed::Any) };
    plan.add(Phase::Settle, AwaitExist { groups: groups() });
    plan.add(Phase::Settle, AwaitStarted { groups: groups() });
    plan.add(Phase::Settle, AwaitStartup { groups: groups() });
    plan.add(Phase::Settle, AwaitStable { groups: groups() });
}

fn stop_unrouted(plan: &mut Sequence, cast: &Cast<'_>) {
    let old = cast.outgoing().filter(|group| !group.routed());
    let groups = old.map(|old| Resize { group: old.group(), from: Some(old.size), to: 0 });
    plan.add(Phase::Shift, StopUnrouted { groups: groups.collect() });
}

fn shift(plan: &mut Sequence, cast: &Cast<'_>, from: TrafficState, shares: &Shares) {
    let leaving: Vec<&KnownGroup> = cast.outgoing().filter(|group| group.routed()).collect();
    let apply = ApplyTraffic {
        what: format!("move all traffic to {}", cast.names()),
        from,
        to: shares.after.clone(),
        back: if cast.ready { shares.before.clone() } else { shares.held.clone() },
        needs: cast.expected(Routed::Only),
        back_needs: leaving.iter().map(|group| Expected::of(&group.spec, group.size)).collect(),
        becomes: cast.becomes(&leaving),
    };
    plan.add(Phase::Shift, apply);
    plan.add(Phase::Shift, AwaitInForce { state: shares.after.clone() });
}

fn watch(plan: &mut Sequence, cast: &Cast<'_>) {
    let groups = cast.expected(Routed::Any);
    plan.add(Phase::Watch, Watch { groups, period: cast.settings.watch });
}

fn finish(plan: &mut Sequence, cast: &Cast<'_>) {
    let retire = |group: &KnownGroup| {
        let keep = if group.routed() { cast.keep_warm } else { Span::ZERO };
        Retiree { group: group.group(), due: Due::After(keep) }
    };
    let groups = cast.outgoing().map(retire).collect();
    plan.add(Phase::Finish, RetireGroups { groups, hasten: true });
    plan.add(Phase::Finish, cast.record.clone());
    plan.add(Phase::Finish, FreeRoutes { keep: cast.claims.clone() });
    plan.add(Phase::Finish, Announce { text: format!("{} is done", cast.title) });
}

/// Which groups are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Routed {
    Any,
    Only,
    Not,
}

// === impl Cast ===

impl Cast<'_> {
    fn incoming_specs(&self) -> Vec<&GroupSpec> {
        self.new.iter().chain(self.reused.iter().map(|(group, _)| &group.spec)).collect()
    }

    /// The active groups that make room.
    fn outgoing(&self) -> impl Iterator<Item = &KnownGroup> {
        self.place.in_state(GroupState::Active)
    }

    fn expected(&self, which: Routed) -> Vec<Expected> {
        let new = self.new.iter().map(|spec| (spec, spec.params.desired));
        let reused = self.reused.iter().map(|(group, size)| (&group.spec, *size));
        new.chain(reused)
            .filter(|(spec, _)| match which {
                Routed::Any => true,
                Routed::Only => routed(spec),
                Routed::Not => !routed(spec),
            })
            .map(|(spec, size)| Expected::of(spec, size))
            .collect()
    }

    fn resizes(&self) -> Vec<Resize> {
        let new = self.new.iter().map(|spec| Resize {
            group: spec.into(),
            from: None,
            to: spec.params.desired,
        });
        let grown = self.reused.iter().filter(|(group, size)| group.size != *size);
        let grown = grown.map(|(group, size)| Resize {
            group: group.group(),
            from: Some(group.size),
            to: *size,
        });
        new.chain(grown).collect()
    }

    /// The groups that are taken back from retirement, with when they would have been due.
    fn reclaimed(&self) -> Vec<Retiree> {
        let due = |group: &KnownGroup| group.retirement.as_ref().map_or(0, |row| row.due_ms);
        let retiree =
            |group: &KnownGroup| Retiree { group: group.group(), due: Due::At(due(group)) };
        self.reused.iter().map(|(group, _)| retiree(group)).collect()
    }

    fn becomes(&self, leaving: &[&KnownGroup]) -> Vec<Becomes> {
        let comes = self.incoming_specs().into_iter().filter(|spec| routed(spec)).map(|spec| {
            Becomes { group: spec.into(), now: GroupState::Active, before: GroupState::Ready }
        });
        let goes = leaving.iter().map(|group| Becomes {
            group: group.group(),
            now: GroupState::Warm,
            before: GroupState::Active,
        });
        comes.chain(goes).collect()
    }

    fn pause(&self, before: &str) -> Pause {
        Pause { before: before.to_owned(), judgement: self.judgement.clone() }
    }

    fn names(&self) -> String {
        let routed = self.incoming_specs().into_iter().filter(|spec| routed(spec));
        routed.map(|spec| spec.name.to_string()).collect::<Vec<_>>().join(", ")
    }
}
