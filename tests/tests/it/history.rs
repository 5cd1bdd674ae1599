//! Twenty thousand deployments: nothing is slower for them, and the server is not larger.

use kiln_names::{DeploymentId, ReleaseId};
use kiln_store::activations::NewActivation;
use kiln_store::deployments::{NewDeployment, StateChange};
use kiln_store::journal::JournalRow;
use kiln_store::{Database, Write, activations, deployments, journal};
use kiln_tests::{Kiln, Part, Project, note};
use std::path::Path;
use std::time::{Duration, Instant};

const DEPLOYMENTS: u32 = 20_000;
/// How many are written in one transaction.
const BATCH: u32 = 2_000;
/// What a plan and its results take, about.
const EVENT_BYTES: usize = 1_000;
/// Slow enough to be none of a busy machine's fault.
const SLOW: Duration = Duration::from_secs(5);

/// Writes the history through the store's own functions.
async fn fill(path: &Path) {
    let db = Database::open(path).await.unwrap();
    for batch in 0..DEPLOYMENTS / BATCH {
        let mut write = db.write().await.unwrap();
        for n in 0..BATCH {
            completed(&mut write, batch * BATCH + n).await;
        }
        write.commit().await.unwrap();
    }
    db.close().await;
}

async fn completed(db: &mut Write, n: u32) {
    let [a, b, c, d] = n.to_be_bytes();
    // A fifth of them are of the application that is asked about.
    let app = if n.is_multiple_of(5) { "hello".to_owned() } else { format!("other-{}", n % 40) };
    let new = NewDeployment {
        id: DeploymentId::from_random([0xff, 0, a, b, c, d]),
        app: app.parse().unwrap(),
        env: "prod".parse().unwrap(),
        verb: "deploy".to_owned(),
        who: "ada".to_owned(),
        message: "a change like many others".to_owned(),
        state: "preparing".to_owned(),
        started_ms: u64::from(n),
    };
    let number = deployments::begin(db, &new).await.unwrap();
    for seq in 0..2 {
        let event = format!("{{\"event\": \"filler\", \"text\": \"{}\"}}", "x".repeat(EVENT_BYTES));
        journal::append(db, number, &JournalRow { seq, at_ms: 0, event }).await.unwrap();
    }
    let change = StateChange { state: "undone", reason: None, locks: false, ended: true, at_ms: 1 };
    deployments::set_state(db, number, change).await.unwrap();
    deployments::set_release(db, number, Some(ReleaseId::of(&n.to_be_bytes()))).await.unwrap();
    if app != "hello" {
        let stopped = NewActivation {
            app: new.app,
            env: new.env,
            release: None,
            back: None,
            deployment: number,
            settings: "{}".to_owned(),
            at_ms: 1,
        };
        activations::add(db, &stopped).await.unwrap();
    }
}

/// The server's proportional share of memory, in KiB.
fn memory(kiln: &Kiln) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", kiln.pid(Part::Server).unwrap());
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

/// The time of the fastest of some tries, and the memory after them.
fn measure(kiln: &Kiln, project: &Project, version: &str) -> (Vec<Duration>, u64) {
    let fastest = |line: &[&str]| {
        let took = (0..5).map(|_| {
            let began = Instant::now();
            kiln.done(line.iter().copied());
            began.elapsed()
        });
        took.min().unwrap()
    };
    let status = fastest(&["status"]);
    let list = fastest(&["deployments", "hello", "prod"]);
    let began = Instant::now();
    project.says(version);
    kiln.done(["bake", "hello", version.trim(), "--dir", project.dir()]);
    let bake = began.elapsed();
    let began = Instant::now();
    kiln.done(["deploy", "hello", "prod", "-m", "on", "--detach"]);
    let begin = began.elapsed();
    let rest = ["status", "hello", "prod", "--json"];
    kiln_tests::until("it ends", Duration::from_secs(60), || {
        kiln.done(rest).json()["deployment"]["state"] == "completed"
    });
    (vec![status, list, bake, begin], memory(kiln))
}

#[test]
fn twenty_thousand_deployments_slow_nothing_down_and_take_no_memory() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "1\n");
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    let (before, memory_before) = measure(&kiln, &project, "2\n");
    kiln.kill_control_plane();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&kiln.data().join("kiln.db")));
    kiln.up().unwrap();
    let (after, memory_after) = measure(&kiln, &project, "3\n");
    note(&format!("status, list, bake, begin: {before:?} before, {after:?} after"));
    note(&format!("server: {memory_before} KiB before, {memory_after} KiB after"));
    assert!(after.iter().all(|took| *took < SLOW), "{after:?}");
    let grown = memory_after.saturating_sub(memory_before);
    assert!(grown < 30 << 10, "the server grew by {grown} KiB");
    let first = kiln.list(["deployments", "hello", "prod", "--limit", "3"]);
    let last = first.last().unwrap()["id"].as_str().unwrap();
    let second = kiln.list(["deployments", "hello", "prod", "--limit", "3", "--before", last]);
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|row| !first.contains(row)), "{first:?} {second:?}");
}
