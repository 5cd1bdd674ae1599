//! Histories that chance makes: whatever is asked, fails, dies and is repeated, in whatever order, the
//! promises of [`promises`] hold at every moment, and in the end everything is as asked for.
//!
//! A history is a seed. It begins with one application in two environments, an engine in memory and a
//! real database. Then come, by chance: requests for deployments of every kind and strategy, commands
//! to them, calls of the engine that fail before or after their effect, are slow, hang, or tell what
//! was or only a part; deaths of instances; deaths of the server between any two steps and around any
//! record of a journal; and time. See [`course`].
//!
//! The same seed is the same history, to the last step: see [`stage`].

mod asks;
mod calm;
mod chance;
mod course;
mod promises;
mod stage;

use crate::world::note;
use chance::{HISTORIES, SECONDS, SEED, given};
use course::History;
use stage::Quiet;
pub(crate) use stage::Stage;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many histories there are unless somebody says otherwise.
const USUAL: u64 = 2_000;
/// How much of a history that went wrong is shown.
const SHOWN: usize = 80;

/// What became of a history.
#[derive(Default)]
struct Told {
    /// Everything that happened.
    events: Vec<String>,
    /// How many deployments of each kind ended how.
    ends: BTreeMap<String, u64>,
    broken: Option<String>,
}

/// One history.
fn happen(seed: u64) -> Told {
    let quiet = Arc::<Quiet>::default();
    let hook = quiet.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(move || hook.come())
        .build()
        .unwrap();
    let mut told = Told::default();
    let run = AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut history = History::begin(seed, quiet).await;
            let broken = history.run().await.err();
            told.events = std::mem::take(&mut history.told);
            told.ends = calm::count(&history).await;
            history.crash().await;
            broken
        })
    });
    told.broken = std::panic::catch_unwind(run).unwrap_or_else(|_| Some("a panic".to_owned()));
    told
}

/// Which histories happen.
struct Choice {
    first: u64,
    count: u64,
    until: Option<Instant>,
}

impl Choice {
    fn given() -> Self {
        if let Some(seed) = given(SEED) {
            return Self { first: seed, count: 1, until: None };
        }
        match (given(HISTORIES), given(SECONDS)) {
            (None, None) => Self { first: 1, count: USUAL, until: None },
            (count, seconds) => Self {
                first: chance::fresh(),
                count: count.unwrap_or(u64::MAX),
                until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            },
        }
    }
}

/// Histories go on in as many threads as there are processors, until one goes wrong.
#[derive(Default)]
struct Run {
    next: AtomicU64,
    failed: AtomicBool,
    ends: Mutex<BTreeMap<String, u64>>,
}

impl Run {
    fn go(&self, choice: &Choice) {
        while !self.failed.load(Ordering::SeqCst)
            && choice.until.is_none_or(|until| Instant::now() < until)
        {
            let at = self.next.fetch_add(1, Ordering::SeqCst);
            if at >= choice.count {
                return;
            }
            let told = happen(choice.first + at);
            if told.broken.is_some() {
                self.failed.store(true, Ordering::SeqCst);
                show(choice.first + at, &told);
            }
            let mut ends = self.ends.lock().unwrap();
            told.ends.into_iter().for_each(|(end, count)| *ends.entry(end).or_default() += count);
        }
    }
}

fn show(seed: u64, told: &Told) {
    // Whoever asks for one history wants to see all of it.
    let shown = if given(SEED).is_some() { usize::MAX } else { SHOWN };
    let last = &told.events[told.events.len().saturating_sub(shown)..];
    note(&format!("the last events of history {seed}:\n{}", last.join("\n")));
    note(told.broken.as_deref().unwrap_or_default());
    note(&format!("again: {SEED}={seed} cargo nextest run -p kiln-deploy whatever_happens"));
}

#[test]
fn whatever_happens_every_promise_is_kept_and_all_comes_to_rest() {
    let (choice, run, began) = (Choice::given(), Run::default(), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| run.go(&choice));
        }
    });
    let count = run.next.into_inner().min(choice.count);
    note(&format!("{count} histories in {:.1} s", began.elapsed().as_secs_f64()));
    for (end, count) in run.ends.into_inner().unwrap() {
        note(&format!("{count:>7} {end}"));
    }
    assert!(!run.failed.into_inner(), "a history went wrong: see above");
}

/// A history that cannot be had again would be of little use.
#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 1..=20 {
        let [one, other] = [(); 2].map(|()| happen(seed));
        for (at, (told, again)) in one.events.iter().zip(&other.events).enumerate() {
            let before = one.events[at.saturating_sub(SHOWN)..at].join("\n");
            assert_eq!(told, again, "history {seed}, after\n{before}");
        }
        assert_eq!((one.ends, one.broken), (other.ends, other.broken));
    }
}
