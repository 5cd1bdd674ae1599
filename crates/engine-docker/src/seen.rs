//! What is known of instances: told by looks at the engine, and by what this server itself did.
//!
//! A look takes time, and something may be started meanwhile: every entry and every look has its
//! place in one order, and a look overrules nothing that is newer than its beginning.

use kiln_names::InstanceId;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::sync::watch;

/// One instance as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Asked for; why it does not run yet, if that is told.
    Pending(Option<String>),
    /// It runs; where, if only the engine knows.
    Running(Option<SocketAddr>),
    /// It ended, or failed before it ran.
    Ended(Ended),
}

/// What is told of an end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ended {
    /// The exit code, if there was a process.
    pub(crate) code: Option<i64>,
    /// What went wrong, if the engine said so.
    pub(crate) error: Option<String>,
    /// The container, where that is needed to learn more.
    pub(crate) container: Option<String>,
}

/// The order of looks and changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(u64);

#[derive(Debug, Default)]
struct Known {
    now: Moment,
    /// When the last look began that was answered.
    looked: Option<Moment>,
    instances: HashMap<InstanceId, (Moment, Seen)>,
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Sight(watch::Sender<Known>);

impl Default for Sight {
    fn default() -> Self {
        Self(watch::Sender::new(Known::default()))
    }
}

impl Known {
    fn next(&mut self) -> Moment {
        self.now.0 += 1;
        self.now
    }

    /// Whether it surely does not run: it is seen to have ended, or a look did not see it at all.
    fn ended(&self, id: InstanceId) -> bool {
        match self.instances.get(&id) {
            Some((_, Seen::Ended(_))) => true,
            Some(_) => false,
            None => self.looked.is_some(),
        }
    }
}

impl Sight {
    /// Begins a look.
    pub(crate) fn begin(&self) -> Moment {
        let mut now = Moment::default();
        self.0.send_if_modified(|known| {
            now = known.next();
            false
        });
        now
    }

    /// Takes in what a look saw: all of it.
    pub(crate) fn take(&self, began: Moment, all: HashMap<InstanceId, Seen>) {
        self.0.send_modify(|known| {
            known.looked = known.looked.max(Some(began));
            known.instances.retain(|id, (at, _)| *at > began || all.contains_key(id));
            for (id, seen) in all {
                let newer = known.instances.get(&id).is_some_and(|(at, _)| *at > began);
                if !newer {
                    known.instances.insert(id, (began, seen));
                }
            }
        });
    }

    /// Notes what this server itself did or was told about one.
    pub(crate) fn note(&self, id: InstanceId, seen: Seen) {
        self.0.send_modify(|known| {
            let now = known.next();
            known.instances.insert(id, (now, seen));
        });
    }

    /// Notes that nothing is left of one.
    pub(crate) fn forget(&self, id: InstanceId) {
        self.0.send_modify(|known| {
            known.next();
            known.instances.remove(&id);
        });
    }

    pub(crate) fn of(&self, id: InstanceId) -> Option<Seen> {
        self.0.borrow().instances.get(&id).map(|(_, seen)| seen.clone())
    }

    /// Waits until an instance has surely ended.
    pub(crate) async fn ended(&self, id: InstanceId) {
        let mut known = self.0.subscribe();
        let waited = known.wait_for(|known| known.ended(id)).await;
        waited.map(drop).expect("the sender lives in self");
    }

    /// Waits until what is seen of an instance is another than `last`.
    pub(crate) async fn changed(&self, id: InstanceId, last: Option<&Seen>) -> Option<Seen> {
        let mut known = self.0.subscribe();
        let seen = |known: &Known| known.instances.get(&id).map(|(_, seen)| seen.clone());
        let waited = known.wait_for(|known| seen(known).as_ref() != last).await;
        waited.map(|known| seen(&known)).expect("the sender lives in self")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const ID: InstanceId = InstanceId::from_random([7; 6]);

    fn ended(sight: &Sight) -> bool {
        sight.ended(ID).now_or_never().is_some()
    }

    #[test]
    fn nothing_is_taken_for_dead_before_the_engine_answered() {
        let sight = Sight::default();
        assert!(!ended(&sight));
        let look = sight.begin();
        sight.take(look, HashMap::new());
        assert!(ended(&sight));
    }

    #[test]
    fn a_look_that_began_before_a_launch_does_not_overrule_it() {
        let sight = Sight::default();
        let look = sight.begin();
        sight.note(ID, Seen::Running(None));
        sight.take(look, HashMap::new());
        assert!(!ended(&sight));
        let look = sight.begin();
        sight.take(look, HashMap::from([(ID, Seen::Ended(Ended::default()))]));
        assert!(ended(&sight));
    }

    #[test]
    fn what_is_gone_from_a_later_look_has_ended() {
        let sight = Sight::default();
        sight.note(ID, Seen::Running(None));
        let look = sight.begin();
        sight.take(look, HashMap::from([(ID, Seen::Running(None))]));
        assert!(!ended(&sight));
        let look = sight.begin();
        sight.take(look, HashMap::new());
        assert!(ended(&sight));
    }
}
