//! Hooks of deployments, as runs on this machine.

use kiln_deploy::ports::{HookCall, HookState, Hooks};
use kiln_engine::{Run, RunEvent, RunSpec, Runner};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a hook goes on that nobody looks at.
const UNWATCHED: Duration = Duration::from_secs(5);
/// How long is known how one ended.
const KEPT: Duration = Duration::from_secs(60);
/// How often is seen whether somebody looks.
const LOOK: Duration = Duration::from_secs(1);
/// How many of its last lines are kept, and how much of each.
const LINES: usize = 20;
const LINE: usize = 300;

/// The hooks that run, and those that have just ended.
#[derive(Debug)]
pub(crate) struct RunHooks {
    runner: Arc<dyn Runner>,
    live: Arc<Mutex<HashMap<HookCall, Live>>>,
}

#[derive(Debug)]
struct Live {
    looked: Instant,
    /// Held by its task as well.
    told: Arc<Mutex<Told>>,
}

/// What a hook has told.
#[derive(Debug, Default)]
struct Told {
    lines: VecDeque<String>,
    /// Whether it ended well, and how.
    end: Option<(bool, String)>,
}

type All = Mutex<HashMap<HookCall, Live>>;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a single step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunHooks {
    pub(crate) fn new(runner: Arc<dyn Runner>) -> Self {
        Self { runner, live: Arc::default() }
    }

    /// How one stands that was begun.
    fn known(&self, call: &HookCall) -> Option<HookState> {
        let mut all = held(&self.live);
        let live = all.get_mut(call)?;
        live.looked = Instant::now();
        let state = held(&live.told).state();
        Some(state)
    }
}

#[async_trait::async_trait]
impl Hooks for RunHooks {
    async fn look(&self, call: &HookCall, spec: RunSpec) -> HookState {
        if let Some(state) = self.known(call) {
            return state;
        }
        let run = match self.runner.run(spec).await {
            Ok(run) => run,
            Err(many) => return HookState::Runs { last: Some(many.to_string()) },
        };
        let told = Arc::<Mutex<Told>>::default();
        let live = Live { looked: Instant::now(), told: told.clone() };
        held(&self.live).insert(*call, live);
        tokio::spawn(follow(run, *call, told, Arc::downgrade(&self.live)));
        HookState::Runs { last: None }
    }

    async fn stop(&self, call: &HookCall) {
        // Its task finds nobody, and lets go of the run.
        held(&self.live).remove(call);
    }
}

/// Takes in what a run tells, for as long as somebody looks.
async fn follow(mut run: Run, call: HookCall, told: Arc<Mutex<Told>>, all: Weak<All>) {
    let mut over = false;
    loop {
        tokio::select! {
            event = run.events.recv(), if !over => match event {
                Some(Ok(event)) => held(&told).take(event),
                Some(Err(error)) => held(&told).end = Some((false, error.to_string())),
                None => {
                    over = true;
                    held(&told).end.get_or_insert((false, "it was lost".to_owned()));
                }
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(all) = all.upgrade() else { return };
        let mut all = held(&all);
        let patience = if over { KEPT } else { UNWATCHED };
        match all.get(&call) {
            Some(live) if live.looked.elapsed() <= patience => {}
            // Dropping the run stops it.
            _ => {
                all.remove(&call);
                return;
            }
        }
    }
}

impl Told {
    fn take(&mut self, event: RunEvent) {
        match event {
            RunEvent::Started { .. } => {}
            RunEvent::Output { text, .. } => {
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(text.chars().take(LINE).collect());
            }
            RunEvent::Ended { exit, .. } => {
                self.end = Some((exit.code == Some(0), exit.cause));
            }
        }
    }

    fn state(&self) -> HookState {
        match &self.end {
            Some((well, cause)) => HookState::Ended {
                well: *well,
                cause: cause.clone(),
                lines: self.lines.iter().cloned().collect(),
            },
            None => HookState::Runs { last: self.lines.back().cloned() },
        }
    }
}
