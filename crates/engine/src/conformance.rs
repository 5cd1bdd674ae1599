//! The suite that every engine passes: what callers may rely on, as one case each.
//!
//! An engine brings a [`Subject`]: itself, and specs of groups that it can really run. Its crate
//! calls [`all`] in a test and hands what comes back to [`Report::expect_passed`]. An engine whose
//! surroundings are missing is reported as skipped by its own test, never as passed.

mod groups;
mod traffic;

use crate::{Call, Engine, EngineError, GroupSpec, ObservedGroup, Traffic};
use futures_util::future::BoxFuture;
use kiln_names::{AppName, EnvName, GroupId, GroupNumber, ProcessName};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a case asks a subject to make a spec of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The identity of the group.
    pub id: GroupId,
    /// Its application; each case has its own.
    pub app: AppName,
    /// Its environment.
    pub env: EnvName,
    /// Its process.
    pub process: ProcessName,
    /// Its number.
    pub number: GroupNumber,
}

/// An engine under test.
#[async_trait::async_trait]
pub trait Subject: Send + Sync {
    /// The engine.
    fn engine(&self) -> Arc<dyn Engine>;

    /// What carries its traffic.
    fn traffic(&self) -> Arc<dyn Traffic>;

    /// A group of a process with a port, whose instances become healthy soon.
    fn spec(&self, ask: &Ask) -> GroupSpec;

    /// Loses the caller's connection to the engine and takes it up again, as after a crash of the
    /// control plane. Groups and traffic must have outlived that.
    async fn restart(&mut self);

    /// How long anything may take that a case waits for.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// How the suite went: each case, with what it found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(Vec<(&'static str, Result<(), String>)>);

/// A case: why the engine does not pass it.
type Outcome = Result<(), String>;
type Case = for<'a> fn(&'a mut Bench<'_>) -> BoxFuture<'a, Outcome>;

const CASES: &[(&str, Case)] = &[
    ("a group begins at size 0", |b| Box::pin(groups::begins_empty(b))),
    ("ensuring a group twice keeps its size", |b| Box::pin(groups::ensured_twice(b))),
    ("a group grows and shrinks to the size asked for", |b| Box::pin(groups::resized(b))),
    ("the highest slots leave first", |b| Box::pin(groups::shrinks_from_the_top(b))),
    ("a group is removed, and removed again", |b| Box::pin(groups::removed_twice(b))),
    ("a group that never was is removed", |b| Box::pin(groups::unknown_removed(b))),
    ("resizing an unknown group is refused", |b| Box::pin(groups::unknown_resized(b))),
    ("an older epoch is refused", |b| Box::pin(groups::stale_epoch(b))),
    ("a replaced instance leaves a healthy one behind", |b| Box::pin(groups::replaced(b))),
    ("observing one application shows no other", |b| Box::pin(groups::scoped(b))),
    ("a change is announced", |b| Box::pin(groups::announced(b))),
    ("groups outlive a restart of their caller", |b| Box::pin(groups::outlive_restart(b))),
    ("what was asked for is no drift", |b| Box::pin(groups::does_not_drift(b))),
    ("traffic begins at version 0 with nothing", |b| Box::pin(traffic::begins_empty(b))),
    ("what was applied is in force", |b| Box::pin(traffic::applied(b))),
    ("applying the same state again is already so", |b| Box::pin(traffic::applied_twice(b))),
    ("another version than the one in force is refused", |b| Box::pin(traffic::stale_version(b))),
    ("an older epoch changes no traffic", |b| Box::pin(traffic::stale_epoch(b))),
    ("traffic for an unknown group is refused", |b| Box::pin(traffic::unknown_group(b))),
    ("a group without weight is checked", |b| Box::pin(traffic::checked_without_weight(b))),
    ("all weights move in one step", |b| Box::pin(traffic::moves_at_once(b))),
    ("traffic outlives a restart of its caller", |b| Box::pin(traffic::outlives_restart(b))),
];

/// Runs every case against the subject, one after the other, and cleans up after each.
pub async fn all(subject: &mut dyn Subject) -> Report {
    let mut report = Vec::new();
    for (at, (name, case)) in (0_u8..).zip(CASES) {
        let mut bench = Bench { subject: &mut *subject, case: at, groups: 0 };
        let outcome = case(&mut bench).await;
        let cleaned = bench.clean_up().await;
        report.push((*name, outcome.and(cleaned)));
    }
    Report(report)
}

/// What a case works with: a subject, and an application of its own.
struct Bench<'s> {
    subject: &'s mut dyn Subject,
    case: u8,
    groups: u8,
}

// === impl Report ===

impl Report {
    /// The cases that failed, each with the reason.
    #[must_use]
    pub fn failures(&self) -> Vec<(&'static str, &str)> {
        self.0
            .iter()
            .filter_map(|(name, result)| result.as_ref().err().map(|why| (*name, why.as_str())))
            .collect()
    }

    /// Panics with every failure unless all cases passed.
    ///
    /// # Panics
    /// When a case failed.
    pub fn expect_passed(&self) {
        let failures = self.failures();
        assert!(failures.is_empty(), "the engine does not conform: {failures:#?}");
    }
}

// === impl Bench ===

/// The epoch that cases call with, unless epochs are what they are about.
const CALL: Call = Call { epoch: 10 };

impl Bench<'_> {
    fn app(&self) -> AppName {
        AppName::parse(&format!("case{}", self.case)).expect("letters and digits")
    }

    fn env(&self) -> EnvName {
        EnvName::parse("conformance").expect("letters")
    }

    fn engine(&self) -> Arc<dyn Engine> {
        self.subject.engine()
    }

    /// The spec of another group of this case.
    fn spec(&mut self) -> GroupSpec {
        self.groups += 1;
        self.subject.spec(&Ask {
            id: GroupId::from_random([0xc0, self.case, 0, self.groups]),
            app: self.app(),
            env: self.env(),
            process: ProcessName::parse("web").expect("letters"),
            number: GroupNumber(u32::from(self.groups)),
        })
    }

    /// A group of the given size, all of it healthy.
    async fn healthy(&mut self, size: u32) -> Result<GroupSpec, String> {
        let spec = self.spec();
        let engine = self.engine();
        engine.ensure_image(&spec.image).await.map_err(said("ensure the image"))?;
        engine.ensure_group(CALL, &spec).await.map_err(said("ensure the group"))?;
        engine.resize_group(CALL, spec.id, size.into()).await.map_err(said("resize the group"))?;
        let whole = |group: Option<&ObservedGroup>| {
            group
                .is_some_and(|g| g.healthy() == size as usize && g.instances.len() == size as usize)
        };
        self.until(spec.id, "all instances healthy", whole).await?;
        Ok(spec)
    }

    /// Waits until an observation shows the group as wanted.
    async fn until(
        &self,
        group: GroupId,
        what: &str,
        wanted: impl Fn(Option<&ObservedGroup>) -> bool,
    ) -> Outcome {
        let began = Instant::now();
        loop {
            let seen = self.engine().observe(None).await.map_err(said("observe"))?;
            if wanted(seen.group(group)) {
                return Ok(());
            }
            if began.elapsed() > self.subject.patience() {
                return Err(format!("{what}: not after {:?}: {seen:?}", began.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes away what the case made, so that the next one meets an engine at rest.
    async fn clean_up(&self) -> Outcome {
        let last = Call { epoch: u64::MAX >> 1 };
        let (app, env) = (self.app(), self.env());
        let traffic = self.subject.traffic();
        let seen = traffic.observe(&app, &env).await.map_err(said("observe the traffic"))?;
        let nothing = crate::TrafficState { app, env, clusters: Vec::new() };
        traffic.apply(last, &nothing, seen.version).await.map_err(said("clear the traffic"))?;
        for made in 1..=self.groups {
            let id = GroupId::from_random([0xc0, self.case, 0, made]);
            self.engine().remove_group(last, id).await.map_err(said("remove the group"))?;
            self.until(id, "the group is gone", |group| group.is_none()).await?;
        }
        Ok(())
    }
}

/// An error of the engine where none was expected.
fn said(doing: &'static str) -> impl Fn(EngineError) -> String {
    move |error| format!("failed to {doing}: {error} ({:?})", error.kind)
}

/// Fails the case unless `holds`.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    holds.then_some(()).ok_or_else(otherwise)
}

/// Fails the case unless the call was refused with the given kind of error.
fn refused<T: std::fmt::Debug>(result: Result<T, EngineError>, kind: crate::ErrorKind) -> Outcome {
    match result {
        Err(error) if error.kind == kind => Ok(()),
        other => Err(format!("expected an error of kind {kind:?}, got {other:?}")),
    }
}
