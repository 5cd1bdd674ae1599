//! Hooks of deployments: runs on this machine, and calls that this server makes.

mod notice;

use kiln_deploy::ports::{HookCall, HookState, HookTask, Hooks};
use kiln_engine::{Run, RunEvent, Runner};
use kiln_secrets::Vault;
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
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

/// The hooks in progress, and those that have just ended.
#[derive(Debug)]
pub(crate) struct LiveHooks {
    runner: Arc<dyn Runner>,
    secrets: Vault,
    live: Arc<All>,
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

impl LiveHooks {
    pub(crate) fn new(runner: Arc<dyn Runner>, secrets: Vault) -> Self {
        Self { runner, secrets, live: Arc::default() }
    }

    /// How one stands that was begun.
    fn known(&self, call: &HookCall) -> Option<HookState> {
        let mut all = held(&self.live);
        let live = all.get_mut(call)?;
        live.looked = Instant::now();
        let state = held(&live.told).state();
        Some(state)
    }

    fn begin(
        &self,
        call: HookCall,
        told: &Arc<Mutex<Told>>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let live = Live { looked: Instant::now(), told: told.clone() };
        held(&self.live).insert(call, live);
        tokio::spawn(follow(work, call, Arc::downgrade(&self.live)));
    }
}

#[async_trait::async_trait]
impl Hooks for LiveHooks {
    async fn look(&self, call: &HookCall, task: HookTask) -> HookState {
        if let Some(state) = self.known(call) {
            return state;
        }
        let told = Arc::<Mutex<Told>>::default();
        match task {
            HookTask::Run(spec) => match self.runner.run(*spec).await {
                Ok(run) => self.begin(*call, &told, listen(run, told.clone())),
                Err(many) => return HookState::Runs { last: Some(many.to_string()) },
            },
            HookTask::Call(what) => {
                let work = notice::deliver(*what, self.secrets.clone(), told.clone());
                self.begin(*call, &told, work);
            }
        }
        HookState::Runs { last: None }
    }

    async fn stop(&self, call: &HookCall) -> Vec<String> {
        // Its task finds nobody, and lets go of the work.
        let live = held(&self.live).remove(call);
        live.map_or_else(Vec::new, |live| held(&live.told).lines.iter().cloned().collect())
    }
}

/// Lets a hook work for as long as somebody looks; then it is dropped, which ends it.
async fn follow(work: impl Future<Output = ()>, call: HookCall, all: Weak<All>) {
    let mut work = pin!(work);
    let mut over = false;
    loop {
        tokio::select! {
            () = &mut work, if !over => over = true,
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(all) = all.upgrade() else { return };
        let mut all = held(&all);
        let patience = if over { KEPT } else { UNWATCHED };
        match all.get(&call) {
            Some(live) if live.looked.elapsed() <= patience => {}
            _ => {
                all.remove(&call);
                return;
            }
        }
    }
}

/// Takes in what a run tells, to its end.
async fn listen(mut run: Run, told: Arc<Mutex<Told>>) {
    while let Some(event) = run.events.recv().await {
        match event {
            Ok(RunEvent::Started { .. }) => {}
            Ok(RunEvent::Output { text, .. }) => held(&told).say(&text),
            Ok(RunEvent::Ended { exit, .. }) => {
                held(&told).end = Some((exit.code == Some(0), exit.cause));
            }
            Err(error) => held(&told).end = Some((false, error.to_string())),
        }
    }
    held(&told).end.get_or_insert((false, "it was lost".to_owned()));
}

// === impl Told ===

impl Told {
    fn say(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(LINE).collect());
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
