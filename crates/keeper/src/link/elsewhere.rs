//! Routers on other machines. They come for the newest table by themselves and say how they do, so
//! that one that was cut off catches up as soon as it is back.

use super::view;
use kiln_names::{GroupId, InstallId, InstanceId, RouterName};
use kiln_router::{GroupStatus, Status};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long is waited for a router that is not heard of, or takes no table. It reports every few
/// seconds, whether there is news or not.
pub const LEASE: Duration = Duration::from_secs(15);
/// The most of them. Each is told every table and tells of every instance.
pub const MOST: usize = 64;

/// A router on another machine, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// What it is called.
    pub name: RouterName,
    /// Whether it was heard of, with the newest table or one that it did not have before, within the
    /// [`LEASE`]; one that was not is not waited for.
    pub present: bool,
    /// Epoch and version of its table, where it listens, and how long ago it said so; nothing before
    /// its first report to this server.
    pub said: Option<Said>,
}

/// What such a router said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Epoch and version of its table.
    pub number: (u64, u64),
    /// Where it takes traffic.
    pub listen: SocketAddr,
    /// How long ago.
    pub ago: Duration,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// It has not joined.
    #[error("no router of this name has joined")]
    Unknown,
    /// Another one has the name, and reports too.
    #[error("another router has this name, and is there")]
    Taken,
    /// It carries a table that this server has not made.
    #[error("it has the table of another server, or of a later life of this one: epoch {epoch}")]
    Ahead {
        /// The epoch of its table.
        epoch: u64,
    },
}

/// What all routers said last.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// This machine's own.
    own: Option<(Status, Instant)>,
    others: BTreeMap<RouterName, Router>,
    /// The instances that every router has passed.
    passed: HashSet<InstanceId>,
}

#[derive(Debug)]
struct Router {
    install: InstallId,
    heard: Instant,
    /// When it last said that it carries the newest table, or came closer to it.
    current: Instant,
    status: Option<Status>,
}

impl Said {
    fn of(status: &Status, heard: Instant, now: Instant) -> Self {
        Self {
            number: (status.epoch, status.version),
            listen: status.listen,
            ago: now.saturating_duration_since(heard),
        }
    }
}

impl Router {
    fn number(&self) -> (u64, u64) {
        self.status.as_ref().map_or((0, 0), |status| (status.epoch, status.version))
    }

    /// How long it is still waited for; nothing once it counts as away.
    fn lease(&self, now: Instant) -> Option<Duration> {
        LEASE
            .checked_sub(now.saturating_duration_since(self.current))
            .filter(|left| !left.is_zero())
    }
}

impl Heard {
    /// Counts in a router, as present.
    pub(super) fn admit(&mut self, name: RouterName, install: InstallId, now: Instant) {
        self.others.insert(name, Router { install, heard: now, current: now, status: None });
    }

    pub(super) fn forget(&mut self, name: &RouterName) -> bool {
        self.others.remove(name).is_some()
    }

    pub(super) fn own(&mut self, status: Status, now: Instant) {
        self.own = Some((status, now));
    }

    pub(super) fn own_said(&self, now: Instant) -> Option<Said> {
        self.own.as_ref().map(|(status, heard)| Said::of(status, *heard, now))
    }

    pub(super) fn own_status(&self) -> Option<&Status> {
        self.own.as_ref().map(|(status, _)| status)
    }

    /// Takes a report, unless another one answers to the name.
    pub(super) fn other(
        &mut self,
        (name, install): (&RouterName, InstallId),
        status: Status,
        wanted: (u64, u64),
        now: Instant,
    ) -> Result<(), NotHeard> {
        if status.epoch > wanted.0 {
            return Err(NotHeard::Ahead { epoch: status.epoch });
        }
        let router = self.others.get_mut(name).ok_or(NotHeard::Unknown)?;
        if router.install != install {
            let taken = router.lease(now).is_some();
            return Err(if taken { NotHeard::Taken } else { NotHeard::Unknown });
        }
        let number = (status.epoch, status.version);
        if number >= wanted || number > router.number() {
            router.current = now;
        }
        (router.heard, router.status) = (now, Some(status));
        Ok(())
    }

    /// Who is there and does not carry a table of this number yet, and how long that is waited for.
    pub(super) fn behind(
        &self,
        number: (u64, u64),
        now: Instant,
    ) -> impl Iterator<Item = (&RouterName, Duration)> {
        let behind = self.others.iter().filter(move |(_, router)| router.number() < number);
        behind.filter_map(move |(name, router)| Some((name, router.lease(now)?)))
    }

    pub(super) fn all(&self, now: Instant) -> Vec<Elsewhere> {
        let shown = |(name, router): (&RouterName, &Router)| Elsewhere {
            name: name.clone(),
            present: router.lease(now).is_some(),
            said: router.status.as_ref().map(|status| Said::of(status, router.heard, now)),
        };
        self.others.iter().map(shown).collect()
    }

    /// The figures of all that are there, this machine's as they are told here, and who they are as one
    /// number: processes that come, go and begin anew change it.
    pub(super) fn counted(&self, own: Status, now: Instant) -> (Vec<GroupStatus>, u64) {
        let mut hasher = DefaultHasher::new();
        own.pid.hash(&mut hasher);
        let mut groups = own.groups;
        for (name, router) in self.others.iter().filter(|(_, router)| router.lease(now).is_some()) {
            let Some(status) = &router.status else { continue };
            (name.as_str(), status.pid).hash(&mut hasher);
            status.groups.iter().for_each(|more| view::count(&mut groups, more));
        }
        (groups, hasher.finish())
    }

    pub(super) fn alone(&self) -> bool {
        self.others.is_empty()
    }

    /// What all that are there say, as one; `shared` are the groups that all of them carry.
    pub(super) fn together(&mut self, shared: &HashSet<GroupId>, now: Instant) -> Option<Status> {
        let (own, _) = self.own.as_ref()?;
        let there = self.others.iter().filter(|(_, router)| router.lease(now).is_some());
        let said = there.filter_map(|(name, router)| Some((name, router.status.as_ref()?)));
        let others: Vec<_> = said.collect();
        Some(view::together(own, &others, shared, &mut self.passed))
    }
}

#[cfg(test)]
mod tests;
