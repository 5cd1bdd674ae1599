//! Checking instances for as long as they are in the table.

pub(crate) mod judge;
mod probe;

use crate::instance::Instance;
use crate::status::Health;
use judge::Judge;
use rand::RngExt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The pause after the first start-up check; each next one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// How far a pause may be from the interval, either way, so that checks do not march in step.
const JITTER: f64 = 0.1;

/// An instance's health, how long it has been in it, and the last check's answer. The health alone is
/// read by every request, without a lock.
#[derive(Debug)]
pub(crate) struct Standing {
    health: AtomicU8,
    /// Traffic could not connect since the last check that passed.
    suspect: AtomicBool,
    report: Mutex<Report>,
}

#[derive(Debug)]
struct Report {
    since: Instant,
    last_check: String,
}

const ALL: [Health; 5] =
    [Health::Starting, Health::Presumed, Health::Healthy, Health::Unhealthy, Health::Failed];

impl Standing {
    pub(crate) fn new(health: Health, now: Instant) -> Self {
        let report = Report { since: now, last_check: String::new() };
        let health = AtomicU8::new(health as u8);
        Self { health, suspect: AtomicBool::new(false), report: Mutex::new(report) }
    }

    pub(crate) fn health(&self) -> Health {
        ALL[usize::from(self.health.load(Relaxed))]
    }

    /// Traffic could not connect: others are preferred until a check passes, so that an instance
    /// whose address swallows connections does not delay one request after another.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Relaxed);
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Relaxed)
    }

    /// A check passed.
    pub(crate) fn trust(&self) {
        self.suspect.store(false, Relaxed);
    }

    /// Takes a check's outcome; true when the health is another than before.
    pub(crate) fn set(&self, health: Health, last_check: String, now: Instant) -> bool {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.last_check = last_check;
        let changed = self.health.swap(health as u8, Relaxed) != health as u8;
        if changed {
            report.since = now;
        }
        changed
    }

    pub(crate) fn read(&self) -> (Health, Instant, String) {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        (self.health(), report.since, report.last_check.clone())
    }
}

/// Checks one instance, for ever: quickly until its first pass, then at the interval. The task is
/// ended from outside when the instance leaves the table.
pub(crate) async fn watch(instance: Arc<Instance>) {
    let mut judge = Judge::new(instance.standing.health());
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let check = instance.check.load_full();
        let starting = judge.is_starting();
        let (kind, path) = match starting {
            true => (check.startup.kind, &check.startup.path),
            false => (check.kind, &check.path),
        };
        let outcome = probe::ask(instance.address, kind, path, check.timeout.get()).await;
        let late = began.elapsed() >= check.startup.timeout.get();
        let health = judge.after(outcome.passed, check.unhealthy_threshold, late);
        if outcome.passed {
            instance.standing.trust();
        }
        instance.found(health, outcome.text);
        instance.idle.sweep(Instant::now());
        if judge.is_starting() {
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(check.startup.interval.get());
        } else {
            let first = starting && outcome.passed;
            let pause = spread(check.interval.get(), first, &mut rand::rng());
            tokio::time::sleep(pause).await;
        }
    }
}

/// The interval, give or take; the first one may be any part of it, so that instances that started
/// together are checked apart.
fn spread(interval: Duration, first: bool, rng: &mut impl rand::Rng) -> Duration {
    let lowest = if first { 0.0 } else { 1.0 - JITTER };
    interval.mul_f64(rng.random_range(lowest..1.0 + JITTER))
}
