//! The router before this one, for as long as it has connections: told every table, and counted in.

use crate::changes::Changes;
use crate::control::Control;
use crate::status::{Health, InstanceStatus, Status};
use crate::table::Table;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long it may take to put a table in force or to tell its status. It writes nothing to disk.
const PROMPT: Duration = Duration::from_secs(2);
/// How long one question for news may stay open.
const LONG_POLL: Duration = Duration::from_secs(30);

/// The router before this one; none once it is gone.
#[derive(Debug, Default)]
pub(crate) struct Predecessor(Mutex<Option<Known>>);

#[derive(Debug, Clone)]
struct Known {
    control: Control,
    path: PathBuf,
}

impl Predecessor {
    /// One that is controlled over the socket at `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(Mutex::new(Some(Known { control: Control::new(&path), path })))
    }

    /// Puts a table in force there. One that does not take it goes on without: it gives no connection
    /// a second answer, so that few requests can still come to it.
    pub(crate) async fn apply(&self, table: &Table) {
        let Some(known) = self.known() else { return };
        match tokio::time::timeout(PROMPT, known.control.apply(table)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.forget(&error),
            Err(late) => self.forget(&late),
        }
    }

    /// Adds what it has in flight.
    pub(crate) async fn count_in(&self, status: &mut Status) {
        let Some(known) = self.known() else { return };
        let asked = known.control.status(None, Duration::ZERO);
        match tokio::time::timeout(PROMPT, asked).await {
            Ok(Ok(theirs)) => add(status, theirs.instances),
            Ok(Err(error)) => self.forget(&error),
            Err(late) => self.forget(&late),
        }
    }

    /// Passes on that its status has changed, until it is gone.
    pub(crate) async fn watch(&self, changes: &Changes) {
        let mut after = None;
        while let Some(known) = self.known() {
            match known.control.status(after, LONG_POLL).await {
                Ok(status) => after = Some(status.seq),
                Err(error) => self.forget(&error),
            }
            changes.bump();
        }
    }

    fn known(&self) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self, why: &dyn std::fmt::Display) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Known { path, .. }) = known {
            tracing::info!(%why, "the router before this one is gone");
            super::remove(&path);
        }
    }
}

/// The two are one router to who reads this: what is in flight adds up, and an instance has started
/// when both have seen it pass. Before that a request on a connection of the one before would find
/// nobody there.
fn add(status: &mut Status, theirs: Vec<InstanceStatus>) {
    for their in theirs {
        match status.instances.iter_mut().find(|ours| ours.id == their.id) {
            Some(ours) => {
                ours.in_flight += their.in_flight;
                if their.health == Health::Starting && ours.health.takes_traffic() {
                    (ours.health, ours.since_ms) = (their.health, their.since_ms);
                }
            }
            None if their.in_flight > 0 => status.instances.push(their),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::{GroupId, InstanceId};

    fn instance(number: u8, health: Health, in_flight: u64) -> InstanceStatus {
        InstanceStatus {
            id: InstanceId::from_random([0, 0, 0, 0, 0, number]),
            group: GroupId::from_random([0, 0, 0, number]),
            health,
            since_ms: 5,
            last_check: String::new(),
            in_flight,
            draining: false,
        }
    }

    fn together(ours: Vec<InstanceStatus>, theirs: Vec<InstanceStatus>) -> Vec<InstanceStatus> {
        let listen = "127.0.0.1:80".parse().unwrap();
        let (seq, epoch, version, pid) = (1, 1, 1, 1);
        let mut status =
            Status { seq, epoch, version, listen, pid, groups: Vec::new(), instances: ours };
        add(&mut status, theirs);
        status.instances
    }

    #[test]
    fn what_is_in_flight_adds_up_and_who_left_is_told_of_while_something_is() {
        let ours = vec![instance(1, Health::Healthy, 2)];
        let theirs = vec![
            instance(1, Health::Healthy, 3),
            instance(2, Health::Healthy, 1),
            instance(3, Health::Healthy, 0),
        ];
        let together = together(ours, theirs);
        let in_flight = together.iter().map(|one| one.in_flight).collect::<Vec<_>>();
        assert_eq!(in_flight, [5, 1]);
    }

    #[test]
    fn an_instance_has_started_when_both_have_seen_it_pass() {
        use Health::{Failed, Healthy, Presumed, Starting, Unhealthy};
        for (ours, theirs, both) in [
            (Healthy, Starting, Starting),
            (Presumed, Starting, Starting),
            (Healthy, Unhealthy, Healthy),
            (Failed, Starting, Failed),
            (Starting, Healthy, Starting),
        ] {
            let seen = together(vec![instance(1, ours, 0)], vec![instance(1, theirs, 0)]);
            assert_eq!(seen[0].health, both, "{ours:?} and {theirs:?}");
        }
    }
}
