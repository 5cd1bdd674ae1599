//! The link to the routers: gives them the newest table, and hears how instances do.
//!
//! There is one table, whatever runs the instances in it: each keeper is a source of clusters and
//! hears of its own. This machine's router is sent the table. Those on other machines come for it, and
//! get what is reached from there.

mod elsewhere;
mod view;

pub use elsewhere::{Elsewhere, LEASE, MOST, NotHeard, Said};

use elsewhere::Heard;
use kiln_names::{GroupId, InstallId, RouterName};
use kiln_router::{ApplyError, Cluster, Control, GroupStatus, Status, StatusError, Table};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long to wait before a router that did not answer is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// How long one question for news may stay open.
const LONG_POLL: Duration = Duration::from_secs(10);

/// The version of a server's first table.
pub const FIRST_TABLE: u64 = 1;

/// Who has instances that routers carry requests to.
pub(crate) trait Source: Send + Sync + std::fmt::Debug {
    /// Its clusters, as they should be now.
    fn clusters(&self) -> Vec<Cluster>;

    /// Whether routers on other machines reach its instances.
    fn reached_from_elsewhere(&self) -> bool;

    /// Takes what all routers say together.
    fn hear(&self, status: &Status);
}

/// Numbers the tables of one server's life, and knows which of them the routers acknowledged.
#[derive(Debug)]
pub struct Link {
    control: Control,
    epoch: u64,
    sources: Mutex<Vec<Weak<dyn Source>>>,
    wanted: watch::Sender<u64>,
    acknowledged: watch::Sender<u64>,
    heard: Mutex<Heard>,
    /// Counts what routers elsewhere said.
    reports: watch::Sender<u64>,
}

impl Link {
    /// A link that says nothing yet. Each start of a server takes an epoch that is higher than those
    /// before, so that no table of an earlier one can overwrite its own.
    #[must_use]
    pub fn new(control: Control, epoch: u64) -> Arc<Self> {
        let number = || watch::Sender::new(0);
        let (wanted, acknowledged, reports) = (number(), number(), number());
        let (sources, heard) = (Mutex::default(), Mutex::default());
        Arc::new(Self { control, epoch, sources, wanted, acknowledged, heard, reports })
    }

    /// Begins to speak with the router, for as long as the runtime lives. Who had instances under the
    /// server before has to be a source by now: a table without them would take their traffic away.
    pub fn open(self: &Arc<Self>) {
        self.touch();
        drop(tokio::spawn(send_tables(self.clone())));
        drop(tokio::spawn(hear(self.clone())));
    }

    /// Counts in another source, for as long as it lives.
    pub(crate) fn join(&self, source: Weak<dyn Source>) {
        let mut sources = self.known();
        sources.retain(|known| known.strong_count() > 0);
        sources.push(source);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Weak<dyn Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.known().iter().filter_map(Weak::upgrade).collect()
    }

    /// All clusters, as they should be now.
    pub(crate) fn clusters(&self) -> Vec<Cluster> {
        self.sources().iter().flat_map(|source| source.clusters()).collect()
    }

    /// Asks for a new table; answers the lowest version that holds what is known now.
    pub fn touch(&self) -> u64 {
        let mut version = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            version = *wanted;
        });
        version
    }

    /// Waits until this machine's router carries at least this version.
    pub async fn in_force_here(&self, version: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        drop(acknowledged.wait_for(|in_force| *in_force >= version).await);
    }

    /// Waits until this machine's router carries at least this version, and so does every other that
    /// is there.
    pub async fn in_force(&self, version: u64) {
        self.in_force_here(version).await;
        let mut reports = self.reports.subscribe();
        loop {
            reports.borrow_and_update();
            let Some(lease) = self.lease_of_the_first_behind(version) else { return };
            drop(tokio::time::timeout(lease, reports.changed()).await);
        }
    }

    fn lease_of_the_first_behind(&self, version: u64) -> Option<Duration> {
        let heard = self.heard();
        heard.behind(self.number(version), Instant::now()).map(|(_, lease)| lease).min()
    }

    /// Who does not carry this version, in words; `everywhere`: of all routers that are there.
    pub(crate) fn awaits(&self, version: u64, everywhere: bool) -> Option<String> {
        if *self.acknowledged.borrow() < version {
            return Some("the router".to_owned());
        }
        let heard = self.heard();
        let behind = heard.behind(self.number(version), Instant::now());
        let names: Vec<String> = behind.map(|(name, _)| format!("router {name}")).collect();
        (everywhere && !names.is_empty()).then(|| names.join(", "))
    }

    /// The number of the newest table that is wanted.
    #[must_use]
    pub fn wanted(&self) -> (u64, u64) {
        self.number(*self.wanted.borrow())
    }

    /// What all routers have counted by now, this machine's asked for it, and who they are as one
    /// number: what others counted is no continuation of it.
    pub(crate) async fn counted(&self) -> Result<(Vec<GroupStatus>, u64), StatusError> {
        let own = self.control.status(None, Duration::ZERO).await?;
        Ok(self.heard().counted(own, Instant::now()))
    }

    /// The table that the router has in force.
    pub(crate) async fn table(&self) -> Result<Table, StatusError> {
        self.control.table().await
    }

    /// The number of a table, as routers order them.
    pub(crate) fn number(&self, version: u64) -> (u64, u64) {
        (self.epoch, version)
    }
}

/// Of routers on other machines.
impl Link {
    /// Counts in a router on another machine. Until it is not heard of for [`LEASE`], every table is
    /// waited for until it carries it.
    pub fn admit(&self, name: RouterName, install: InstallId) {
        self.heard().admit(name, install, Instant::now());
        self.reported();
    }

    /// Counts it out; it may join again.
    pub fn forget(&self, name: &RouterName) -> bool {
        let known = self.heard().forget(name);
        self.reported();
        known
    }

    /// All of them.
    #[must_use]
    pub fn elsewhere(&self) -> Vec<Elsewhere> {
        self.heard().all(Instant::now())
    }

    /// What this machine's own said last.
    #[must_use]
    pub fn own(&self) -> Option<Said> {
        self.heard().own_said(Instant::now())
    }

    /// Takes what one says of itself.
    ///
    /// # Errors
    /// When it has not joined, or another has its name.
    pub fn report(
        &self,
        name: &RouterName,
        install: InstallId,
        status: Status,
    ) -> Result<(), NotHeard> {
        self.heard().other((name, install), status, self.wanted(), Instant::now())?;
        self.reported();
        Ok(())
    }

    /// A table for one that has this number, as soon as there is a newer one; nothing when there is
    /// none in all that time.
    pub async fn newer_than(&self, number: (u64, u64), wait: Duration) -> Option<Table> {
        let mut wanted = self.wanted.subscribe();
        let newer = wanted.wait_for(|version| self.number(*version) > number);
        let version = *tokio::time::timeout(wait, newer).await.ok()?.ok()?;
        let clusters = self.shared().flat_map(|source| source.clusters()).collect();
        Some(Table { epoch: self.epoch, version, clusters })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> impl Iterator<Item = Arc<dyn Source>> {
        self.sources().into_iter().filter(|source| source.reached_from_elsewhere())
    }

    /// A router elsewhere said something, or has joined or left.
    fn reported(&self) {
        self.tell();
        self.reports.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells everybody what all routers say together: one at a time, so that nobody hears what was
    /// before after what is now.
    fn tell(&self) {
        let mut heard = self.heard();
        let together = match heard.alone() {
            true => None,
            false => heard.together(&self.shared_groups(), Instant::now()),
        };
        let Some(own) = heard.own_status() else { return };
        for source in self.sources() {
            // What is reached from here alone is this machine's router's matter.
            let all = together.as_ref().filter(|_| source.reached_from_elsewhere());
            source.hear(all.unwrap_or(own));
        }
    }

    /// The groups that all routers carry.
    fn shared_groups(&self) -> HashSet<GroupId> {
        let clusters = self.shared().flat_map(|source| source.clusters());
        clusters.flat_map(|cluster| cluster.groups).map(|group| group.id).collect()
    }
}

/// Sends a table whenever a newer one is wanted; what came together goes together.
async fn send_tables(link: Arc<Link>) {
    let mut wanted = link.wanted.subscribe();
    let mut said = String::new();
    while wanted.wait_for(|version| *version > *link.acknowledged.borrow()).await.is_ok() {
        let version = *wanted.borrow_and_update();
        let table = Table { epoch: link.epoch, version, clusters: link.clusters() };
        match link.control.apply(&table).await {
            Ok(()) => {
                link.acknowledged.send_replace(version);
                said.clear();
            }
            Err(error) => {
                tell_refused(&error, &mut said);
                if matches!(error, ApplyError::Conflict { .. }) {
                    // The answer to this very version was lost, and more has changed since.
                    link.touch();
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// A router that is away comes back by itself; any other refusal is worth a line, and one line: a
/// full disk, which the log may lie on too, refuses twenty times a second.
fn tell_refused(error: &ApplyError, said: &mut String) {
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
async fn hear(link: Arc<Link>) {
    let mut after = None;
    loop {
        match link.control.status(after, LONG_POLL).await {
            Ok(status) => {
                after = Some(status.seq);
                let number = (status.epoch, status.version);
                link.heard().own(status, Instant::now());
                link.tell();
                resend_if_lost(&link, number);
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
