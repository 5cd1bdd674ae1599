//! The router before this one, for as long as it has connections: told every table, and counted in.

use crate::changes::Changes;
use crate::control::Control;
use crate::status::{InstanceStatus, Status};
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

fn add(status: &mut Status, theirs: Vec<InstanceStatus>) {
    for their in theirs.into_iter().filter(|their| their.in_flight > 0) {
        match status.instances.iter_mut().find(|ours| ours.id == their.id) {
            Some(ours) => ours.in_flight += their.in_flight,
            None => status.instances.push(their),
        }
    }
}
