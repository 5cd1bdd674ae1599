//! The link to the router: sends it the newest table, and hears how instances do.

use crate::inner::Inner;
use crate::routing;
use kiln_router::{ApplyError, Control, StatusError, Table};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long to wait before a router that did not answer is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// How long one question for news may stay open.
const LONG_POLL: Duration = Duration::from_secs(10);

/// The version of a server's first table.
pub(crate) const FIRST_TABLE: u64 = 1;

/// Numbers the tables of one server's life, and knows which of them the router acknowledged.
#[derive(Debug)]
pub(crate) struct Link {
    control: Control,
    epoch: u64,
    wanted: watch::Sender<u64>,
    acknowledged: watch::Sender<u64>,
}

impl Link {
    pub(crate) fn new(control: Control, epoch: u64) -> Self {
        Self { control, epoch, wanted: watch::Sender::new(0), acknowledged: watch::Sender::new(0) }
    }

    /// Asks for a new table; answers the lowest version that holds what is known now.
    pub(crate) fn touch(&self) -> u64 {
        let mut version = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            version = *wanted;
        });
        version
    }

    /// Waits until the router carries at least this version.
    pub(crate) async fn in_force(&self, version: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        drop(acknowledged.wait_for(|in_force| *in_force >= version).await);
    }

    /// The number of the newest table that is wanted.
    pub(crate) fn wanted(&self) -> (u64, u64) {
        self.number(*self.wanted.borrow())
    }

    /// The table that the router has in force.
    pub(crate) async fn table(&self) -> Result<Table, StatusError> {
        self.control.table().await
    }

    /// The number of a table, as the router orders them.
    pub(crate) fn number(&self, version: u64) -> (u64, u64) {
        (self.epoch, version)
    }
}

/// Sends a table whenever a newer one is wanted; what came together goes together.
pub(crate) async fn send_tables(inner: Arc<Inner>) {
    let link = &inner.link;
    let mut wanted = link.wanted.subscribe();
    let mut said = String::new();
    while wanted.wait_for(|version| *version > *link.acknowledged.borrow()).await.is_ok() {
        let version = *wanted.borrow_and_update();
        let table = Table { epoch: link.epoch, version, clusters: clusters(&inner) };
        match link.control.apply(&table).await {
            Ok(()) => {
                link.acknowledged.send_replace(version);
                said.clear();
            }
            Err(error) => {
                report(&error, &mut said);
                if matches!(error, ApplyError::Conflict { .. }) {
                    // The answer to this very version was lost, and more has changed since.
                    link.touch();
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn clusters(inner: &Inner) -> Vec<kiln_router::Cluster> {
    let model = inner.model();
    routing::clusters(&model, model.traffic.values().map(|row| &row.state))
}

/// A router that is away comes back by itself; any other refusal is worth a line, and one line: a
/// full disk, which the log may lie on too, refuses twenty times a second.
fn report(error: &ApplyError, said: &mut String) {
    if matches!(error, ApplyError::Unreachable { .. }) {
        tracing::debug!(%error, "the router is away");
        return;
    }
    let text = error.to_string();
    if *said != text {
        tracing::error!(%error, "the router refused a table");
        *said = text;
    }
}

/// Hears from the router for as long as the server lives.
pub(crate) async fn hear(inner: Arc<Inner>) {
    let mut after = None;
    loop {
        match inner.link.control.status(after, LONG_POLL).await {
            Ok(status) => {
                after = Some(status.seq);
                let number = (status.epoch, status.version);
                let door = status.listen.port();
                inner.model().hear(number, door, status.instances, Instant::now());
                inner.changed();
                resend_if_lost(&inner.link, number);
            }
            Err(error) => {
                tracing::debug!(%error, "the router is away");
                after = None;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// A router that started without its last table says a lower number than it once acknowledged.
fn resend_if_lost(link: &Link, said: (u64, u64)) {
    if said < link.number(*link.acknowledged.borrow()) {
        link.touch();
    }
}
