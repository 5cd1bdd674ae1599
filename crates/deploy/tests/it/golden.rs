//! Journals that were written once and are kept as they were: every later Kiln reads them.
//!
//! `tests/golden/README.md` says what the files hold and when new ones are made.

mod cases;
mod shape;

use crate::world::{World, target, why};
use cases::{Case, cases};
use kiln_deploy::{Direction, Error, Orchestrator, Status};
use kiln_names::DeploymentId;
use kiln_protocol::deployment::DeploymentState;
use kiln_store::deployments::{self, NewDeployment, StateChange};
use kiln_store::journal::{self, JournalRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The format that is written today. When the format changes, it grows by one.
const NEWEST: u32 = 1;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// A journal, and what it adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Golden {
    verb: String,
    state: DeploymentState,
    direction: Direction,
    reason: Option<String>,
    records: Vec<Line>,
}

/// A record as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    seq: u64,
    at_ms: u64,
    event: String,
}

// === impl Golden ===

impl Golden {
    /// What a deployment left in the database.
    async fn of(world: &World, orchestrator: &Orchestrator, id: DeploymentId) -> Self {
        let deployment = orchestrator.deployment(id).await.unwrap();
        let mut db = world.db.read().await.unwrap();
        let number = deployments::get(&mut db, id).await.unwrap().unwrap().number;
        let rows = journal::read(&mut db, number).await.unwrap();
        let line = |row: JournalRow| Line { seq: row.seq, at_ms: row.at_ms, event: row.event };
        Self {
            verb: deployment.summary.verb,
            state: deployment.summary.state,
            direction: deployment.direction,
            reason: deployment.summary.reason,
            records: rows.into_iter().map(line).collect(),
        }
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Writes a file that is not there yet; what was written once stays as it is.
    fn keep(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create_new(path).unwrap();
        writeln!(file, "{}", serde_json::to_string_pretty(self).unwrap()).unwrap();
    }

    /// Puts the journal into a database, as if its deployment had been there.
    async fn restore(&self, world: &World) -> DeploymentId {
        let id = DeploymentId::from_random([7; 6]);
        let new = NewDeployment {
            id,
            app: target().app,
            env: target().env,
            verb: self.verb.clone(),
            who: why().who,
            message: why().message,
            state: DeploymentState::Preparing.as_str().to_owned(),
            started_ms: 1,
        };
        let mut write = world.db.write().await.unwrap();
        let number = deployments::begin(&mut write, &new).await.unwrap();
        for Line { seq, at_ms, event } in self.records.clone() {
            let row = JournalRow { seq, at_ms, event };
            journal::append(&mut write, number, &row).await.unwrap();
        }
        let change = StateChange {
            state: self.state.as_str(),
            reason: self.reason.as_deref(),
            locks: !self.has_ended(),
            ended: self.has_ended(),
            at_ms: 1,
        };
        deployments::set_state(&mut write, number, change).await.unwrap();
        write.commit().await.unwrap();
        id
    }

    const fn has_ended(&self) -> bool {
        use DeploymentState::{Completed, Invalid, Undone};
        matches!(self.state, Completed | Invalid | Undone)
    }
}

/// Every file, the oldest format first.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for format in 1..=NEWEST {
        let dir = std::fs::read_dir(format!("{GOLDEN}/{format}")).unwrap();
        let mut found: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
        found.sort();
        files.extend(found);
    }
    files
}

#[tokio::test]
async fn journals_of_this_version_and_every_earlier_one_are_read() {
    let files = files();
    assert!(!files.is_empty());
    for path in files {
        let golden = Golden::read(&path);
        let what = path.display();
        let world = World::new().await;
        let id = golden.restore(&world).await;
        let orchestrator = world.start().await;
        let deployment = orchestrator.deployment(id).await;
        let deployment = deployment.unwrap_or_else(|e| panic!("{what}: {e}"));
        let fold = |status: Status, record| status.after(record).unwrap();
        let status = deployment.journal.iter().fold(Status::new(), fold);
        assert_eq!((status.state, status.direction), (golden.state, golden.direction), "{what}");
        assert_eq!(status.reason, golden.reason, "{what}");
        assert_eq!(deployment.summary.state, golden.state, "{what}: taken up as it was");
        assert_eq!(deployment.journal.len(), golden.records.len(), "{what}");
        assert_eq!(deployment.plan.is_some(), golden.state != DeploymentState::Invalid, "{what}");
        assert_answers(&orchestrator, &golden, &what.to_string()).await;
    }
}

/// The task of a deployment takes its journal up: a paused one can be stopped, a stuck one says
/// that it stands still, and one that ended is in nobody's way.
async fn assert_answers(orchestrator: &Orchestrator, golden: &Golden, what: &str) {
    let answer = orchestrator.abort(&target(), "bob").await;
    let expected = match golden.state {
        DeploymentState::Paused => answer.is_ok(),
        DeploymentState::Stuck => matches!(answer, Err(Error::NotNow(_))),
        _ => matches!(answer, Err(Error::NothingInProgress { .. })),
    };
    assert!(expected, "{what}: {answer:?}");
}

/// Old files are read because nobody changes them; this says when new ones are needed.
#[tokio::test]
async fn todays_journals_have_the_shape_of_the_newest_kept_ones() {
    let mut made = Vec::new();
    for case in cases() {
        let path = PathBuf::from(format!("{GOLDEN}/{NEWEST}/{case}.json"));
        let today = today(case).await;
        if !path.exists() {
            today.keep(&path);
            made.push(case.to_string());
            continue;
        }
        let kept = Golden::read(&path);
        assert_eq!(
            (today.verb, today.state, today.direction),
            (kept.verb, kept.state, kept.direction),
            "{case}"
        );
        let (today, kept) = (shape::of(&today.records), shape::of(&kept.records));
        let new: Vec<_> = today.difference(&kept).collect();
        let lost: Vec<_> = kept.difference(&today).collect();
        assert!(
            new.is_empty() && lost.is_empty(),
            "{case}: the format has changed; tests/golden/README.md says what to do.\n\
             new: {new:#?}\nno longer written: {lost:#?}"
        );
    }
    assert!(made.is_empty(), "made, to be looked at and checked in: {made:?}");
}

async fn today(case: Case) -> Golden {
    let (world, orchestrator, id) = case.play().await;
    Golden::of(&world, &orchestrator, id).await
}

/// What no kept journal holds, no test reads.
#[test]
fn the_kept_journals_hold_every_kind_of_record_and_of_action() {
    let mut shape = BTreeSet::new();
    for path in files() {
        shape.extend(shape::of(&Golden::read(&path).records));
    }
    let held = |tag: &str| -> BTreeSet<&str> {
        let tagged = shape.iter().filter_map(|path| path.rsplit_once(tag));
        tagged.map(|(_, name)| name).filter(|name| !name.contains('.')).collect()
    };
    let missing = |known: &[&'static str], tag: &str| -> Vec<&'static str> {
        let held = held(tag);
        known.iter().copied().filter(|name| !held.contains(name)).collect()
    };
    assert_eq!(missing(cases::EVENTS, "event="), [""; 0]);
    assert_eq!(missing(kiln_deploy::actions::Action::NAMES, "action="), [""; 0]);
}
