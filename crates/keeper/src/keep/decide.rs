//! What the keeper does next for one group: a pure function from what is to what is to be done.

use kiln_engine::{InstanceState, Slots};
use kiln_names::InstanceId;
use std::collections::BTreeSet;

/// What the decision depends on.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) slots: Slots,
    /// Whether two instances in one slot would write to one volume.
    pub(crate) exclusive: bool,
    pub(crate) removing: bool,
    /// Slots that must not be filled yet: they failed, or somebody else still has their volumes.
    pub(crate) paused: BTreeSet<u32>,
    pub(crate) instances: Vec<Seen>,
}

/// One instance as the decision sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) id: InstanceId,
    pub(crate) slot: u32,
    pub(crate) state: InstanceState,
    /// An identical one is to take its place.
    pub(crate) replacing: bool,
    /// Its check passed at least once.
    pub(crate) passed: bool,
    /// It became unhealthy so lately that others may be about to.
    pub(crate) doubted: bool,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an instance in the slot.
    Start(u32),
    /// Out of the table, drain, stop: it is one too many.
    Drain(InstanceId),
    /// The same, because it never passed its start-up check.
    GiveUp(InstanceId),
    /// Start an identical one beside it, then drain it.
    Replace(InstanceId),
    /// Nothing runs any more: the group may be forgotten.
    Forget,
}

/// Decides. What is already under way is not asked for again.
pub(crate) fn decide(view: &View) -> Vec<Step> {
    let mut steps = Vec::new();
    if view.removing && view.instances.iter().all(|i| i.state == InstanceState::Exited) {
        steps.push(Step::Forget);
        return steps;
    }
    let surplus = live(view).filter(|i| view.removing || !view.slots.contains(i.slot));
    steps.extend(surplus.map(|i| Step::Drain(i.id)).rev());
    if view.removing {
        return steps;
    }
    for slot in view.slots.iter() {
        steps.extend(fill(view, slot));
    }
    steps.extend(failed_starts(view).map(|i| Step::GiveUp(i.id)));
    steps.extend(unhealthy_to_replace(view).map(Step::Replace));
    steps
}

fn live(view: &View) -> impl DoubleEndedIterator<Item = &Seen> {
    view.instances
        .iter()
        .filter(|i| !matches!(i.state, InstanceState::Exited | InstanceState::Draining))
}

/// One slot: a live instance that stays, and none that was to be replaced once its successor is
/// healthy. Where both would write to one volume, the successor waits until the other has ended.
fn fill(view: &View, slot: u32) -> Option<Step> {
    let staying = || live(view).filter(|i| i.slot == slot && !i.replacing);
    let replaced = || live(view).find(|i| i.slot == slot && i.replacing);
    let ends = |i: &Seen| i.slot == slot && i.state != InstanceState::Exited;
    if view.exclusive && view.instances.iter().any(ends) {
        return replaced().map(|i| Step::Drain(i.id));
    }
    if staying().next().is_none() {
        return (!view.paused.contains(&slot)).then_some(Step::Start(slot));
    }
    let successor_ready = staying().any(|i| i.state == InstanceState::Healthy);
    replaced().filter(|_| successor_ready).map(|i| Step::Drain(i.id))
}

fn failed_starts(view: &View) -> impl Iterator<Item = &Seen> {
    live(view)
        .filter(|i| view.slots.contains(i.slot) && i.state == InstanceState::Unhealthy && !i.passed)
}

/// Unhealthy instances, a quarter of the group at a time and at least one; none when all of a group
/// of several fail at once: then something that they share has died, and replacing does not help.
/// Whether they do shows only after each of them was checked.
fn unhealthy_to_replace(view: &View) -> impl Iterator<Item = InstanceId> {
    let unhealthy = |i: &&Seen| i.state == InstanceState::Unhealthy && i.passed;
    let all = live(view).count();
    let all_fail = all > 1 && live(view).filter(unhealthy).count() == all;
    let under_way = live(view).filter(|i| i.replacing).count();
    let quarter = (view.slots.count as usize / 4).max(1);
    let room = if all_fail { 0 } else { quarter.saturating_sub(under_way) };
    let sure = move |i: &&Seen| !i.replacing && (all == 1 || !i.doubted);
    live(view).filter(unhealthy).filter(sure).map(|i| i.id).take(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceState::{Draining, Exited, Healthy, Pending, Starting, Unhealthy};

    fn seen(slot: u32, state: InstanceState) -> Seen {
        let id = InstanceId::from_random([u8::try_from(slot).unwrap(); 6]);
        Seen { id, slot, state, replacing: false, passed: true, doubted: false }
    }

    fn view(size: u32, instances: &[Seen]) -> View {
        View {
            slots: size.into(),
            exclusive: false,
            removing: false,
            paused: BTreeSet::new(),
            instances: instances.to_vec(),
        }
    }

    fn check(view: &View, expected: &[Step]) {
        assert_eq!(decide(view), expected, "{view:?}");
    }

    #[test]
    fn empty_slots_are_filled_unless_they_pause() {
        check(&view(2, &[seen(1, Starting)]), &[Step::Start(0)]);
        check(&view(1, &[seen(0, Exited)]), &[Step::Start(0)]);
        check(&view(1, &[seen(0, Draining)]), &[Step::Start(0)]);
        check(&View { paused: BTreeSet::from([0]), ..view(2, &[]) }, &[Step::Start(1)]);
        check(&view(2, &[seen(0, Pending), seen(1, Healthy)]), &[]);
    }

    #[test]
    fn surplus_slots_are_drained_the_highest_first() {
        let three = [seen(0, Healthy), seen(1, Healthy), seen(2, Healthy)];
        check(&view(1, &three), &[Step::Drain(three[2].id), Step::Drain(three[1].id)]);
    }

    #[test]
    fn a_group_on_its_way_out_drains_all_then_is_forgotten() {
        let removing = |instances: &[Seen]| View { removing: true, ..view(0, instances) };
        let one = seen(0, Healthy);
        check(&removing(&[one, seen(1, Draining)]), &[Step::Drain(one.id)]);
        check(&removing(&[seen(1, Draining)]), &[]);
        check(&removing(&[seen(1, Exited)]), &[Step::Forget]);
        check(&removing(&[]), &[Step::Forget]);
    }

    #[test]
    fn a_replaced_instance_goes_only_once_its_successor_is_healthy() {
        let old = Seen { replacing: true, ..seen(0, Healthy) };
        let new = |state| Seen { id: InstanceId::from_random([9; 6]), ..seen(0, state) };
        check(&view(1, &[old]), &[Step::Start(0)]);
        check(&view(1, &[old, new(Starting)]), &[]);
        check(&view(1, &[old, new(Healthy)]), &[Step::Drain(old.id)]);
    }

    #[test]
    fn a_successor_that_shares_a_volume_starts_when_the_one_before_has_ended() {
        let view = |instances: &[Seen]| View { exclusive: true, ..view(1, instances) };
        let old = Seen { replacing: true, ..seen(0, Healthy) };
        check(&view(&[seen(0, Healthy)]), &[]);
        check(&view(&[old]), &[Step::Drain(old.id)]);
        check(&view(&[Seen { state: Draining, ..old }]), &[]);
        check(&view(&[Seen { state: Exited, ..old }]), &[Step::Start(0)]);
        let held = View { paused: BTreeSet::from([0]), ..view(&[]) };
        check(&held, &[]);
    }

    #[test]
    fn a_group_that_takes_over_from_the_top_has_the_highest_slots() {
        let slots = Slots { first: 2, count: 1 };
        check(&View { slots, ..view(1, &[]) }, &[Step::Start(2)]);
        let low = seen(1, Healthy);
        let steps = [Step::Drain(low.id), Step::Start(2)];
        check(&View { slots, ..view(1, &[low]) }, &steps);
    }

    #[test]
    fn unhealthy_instances_are_replaced_one_or_a_quarter_at_a_time() {
        let two = [seen(0, Unhealthy), seen(1, Unhealthy), seen(2, Healthy)];
        check(&view(3, &two), &[Step::Replace(two[0].id)]);
        let eight: Vec<_> =
            (0..8).map(|slot| seen(slot, if slot < 4 { Unhealthy } else { Healthy })).collect();
        check(&view(8, &eight), &[Step::Replace(eight[0].id), Step::Replace(eight[1].id)]);
    }

    #[test]
    fn nothing_is_replaced_when_all_of_a_group_fail_at_once() {
        check(&view(2, &[seen(0, Unhealthy), seen(1, Unhealthy)]), &[]);
        let alone = seen(0, Unhealthy);
        check(&view(1, &[alone]), &[Step::Replace(alone.id)]);
    }

    #[test]
    fn an_unhealthy_instance_stays_until_it_is_known_how_the_others_do() {
        let doubted = |slot| Seen { doubted: true, ..seen(slot, Unhealthy) };
        check(&view(2, &[doubted(0), seen(1, Healthy)]), &[]);
        check(&view(2, &[seen(0, Unhealthy), doubted(1)]), &[]);
        let failed = seen(0, Unhealthy);
        check(&view(2, &[failed, seen(1, Healthy)]), &[Step::Replace(failed.id)]);
        check(&view(1, &[doubted(0)]), &[Step::Replace(doubted(0).id)]);
    }

    #[test]
    fn an_instance_that_never_passed_its_check_is_given_up() {
        let failed = Seen { passed: false, ..seen(0, Unhealthy) };
        check(&view(1, &[failed]), &[Step::GiveUp(failed.id)]);
    }
}
