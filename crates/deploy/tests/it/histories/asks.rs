//! What people do in a history.

use super::chance::Chance;
use super::course::{History, targets};
use kiln_deploy::{Ask, Deploy, Error, Orchestrator, Request, Target, Why};
use kiln_names::{DeploymentId, ImageRef};
use kiln_protocol::configuration::HookPoint;
use kiln_protocol::deployment::DeploymentState;
use kiln_store::audit::By;
use kiln_store::lock::{self, LockRow};
use kiln_store::{activations, deployments};

/// Somebody asks for a deployment, seldom while another one is in progress.
pub(crate) async fn request(history: &mut History) {
    let Some(server) = history.server.clone() else { return };
    let target = target(history);
    let busy = in_progress(history, &target).await;
    if busy.is_some() && !history.chance.one_in(10) {
        return;
    }
    let mut db = history.db.read().await.unwrap();
    let current = activations::current(&mut db, &target.app, &target.env).await.unwrap();
    drop(db);
    let runs = current.as_ref().is_some_and(|current| current.release.is_some());
    let earlier = current.is_some_and(|current| current.back.is_some());
    let ask = ask(history, runs, earlier);
    history.tell(format!("asked for {target}: {ask:?}"));
    let why = Why { who: "ann".to_owned(), message: "because".to_owned() };
    let request = Request { target, ask, why };
    history.ask("begin", async move { server.begin(request).await.map(|id| id.to_string()) });
}

async fn in_progress(history: &History, Target { app, env }: &Target) -> Option<DeploymentState> {
    let mut db = history.db.read().await.unwrap();
    let row = deployments::holder(&mut db, app, env).await.unwrap()?;
    use DeploymentState::{Paused, Preparing, Running, Stuck};
    [Paused, Preparing, Running, Stuck].into_iter().find(|state| state.as_str() == row.state)
}

/// What somebody asks for, mostly what makes sense where something runs and ran before.
fn ask(history: &mut History, runs: bool, earlier: bool) -> Ask {
    let chance = &mut history.chance;
    let kinds = if runs || chance.one_in(10) { 16 } else { 8 };
    match chance.below(kinds) {
        3..8 if earlier => Ask::Rollback { to: None },
        0..8 => {
            let versions = ["1", "2", "3", "4", "5", "1", "4", "5", "crashes", "never"];
            let version = chance.one_of(&versions).unwrap();
            let image = Some(ImageRef::parse(&format!("hello:{version}")).unwrap());
            Ask::Deploy(Deploy { image, hold: chance.one_in(4), ..Deploy::default() })
        }
        8 => Ask::Redeploy,
        9 => Ask::Rollback { to: None },
        10 => Ask::Stop,
        11..14 => {
            let process = *chance.one_of(&[Some("web"), Some("worker"), None]).unwrap();
            let process = process.map(|process| process.parse().unwrap());
            Ask::Resize { process, size: u32::try_from(chance.below(5)).unwrap() }
        }
        _ => {
            let groups = history.world.engine.there();
            let instances: Vec<_> =
                groups.iter().flat_map(|group| &group.instances).map(|i| i.id).collect();
            match history.chance.one_of(&instances) {
                Some(instance) => Ask::Replace { instance: *instance },
                None => Ask::Redeploy,
            }
        }
    }
}

/// One of the two environments, mostly the first: a history goes further there.
fn target(history: &mut History) -> Target {
    let [first, second] = targets();
    if history.chance.one_in(4) { second } else { first }
}

/// Somebody decides about a deployment that waits for it.
pub(crate) async fn decide(history: &mut History) {
    let target = target(history);
    let verbs: &[&str] = match in_progress(history, &target).await {
        Some(DeploymentState::Paused) => &["resume"],
        Some(DeploymentState::Stuck) => &["undo", "retry"],
        _ => return,
    };
    let verb = history.chance.one_of(verbs).unwrap();
    say(history, verb, &target);
}

/// Somebody asks something of a deployment, mostly what makes sense.
pub(crate) async fn command(history: &mut History) {
    let target = target(history);
    let state = in_progress(history, &target).await;
    let verbs: &[&str] = match state {
        _ if history.chance.one_in(20) => &["abort", "undo", "retry", "pause", "resume"],
        Some(DeploymentState::Running) => &["abort", "undo", "pause"],
        Some(DeploymentState::Paused) => &["abort", "undo", "resume"],
        Some(DeploymentState::Stuck) => &["undo", "retry"],
        Some(_) => &["abort"],
        None => return,
    };
    let verb = history.chance.one_of(verbs).unwrap();
    say(history, verb, &target);
}

pub(crate) fn say(history: &mut History, verb: &'static str, target: &Target) {
    let Some(server) = history.server.clone() else { return };
    history.tell(format!("{verb} {target}"));
    let target = target.clone();
    history.ask(verb, async move {
        let said = carry(&server, verb, &target).await;
        said.map(|id| id.to_string())
    });
}

async fn carry(server: &Orchestrator, verb: &str, target: &Target) -> Result<DeploymentId, Error> {
    match verb {
        "abort" => server.abort(target, "bob").await,
        "undo" => server.undo(target, "bob").await,
        "retry" => server.retry(target, "bob").await,
        "pause" => server.pause(target, "bob").await,
        _ => server.resume(target, "bob").await,
    }
}

/// Somebody takes the one lock over everything, or gives it back.
pub(crate) async fn lock(history: &mut History) {
    let mut write = history.db.write().await.unwrap();
    let by = By { who: "eve".to_owned(), at_ms: 7 };
    let held = lock::holder(&mut write).await.unwrap().is_some();
    if held {
        lock::release(&mut write, &by).await.unwrap();
    } else {
        let row = LockRow { by, message: "the database moves".to_owned() };
        lock::take(&mut write, &row).await.unwrap();
    }
    write.commit().await.unwrap();
    history.tell(if held { "unlocked" } else { "locked" });
}

/// A hook's point, more often none.
pub(crate) fn hook(chance: &mut Chance) -> Option<HookPoint> {
    use HookPoint::{AfterFinish, AfterShift, BeforeCreate, BeforeShift};
    let points = [BeforeCreate, BeforeShift, AfterShift, AfterFinish];
    chance.one_in(4).then(|| *chance.one_of(&points).unwrap())
}

/// A configuration, valid by itself.
pub(crate) fn params(chance: &mut Chance) -> String {
    let mut keys = vec![format!(r#""keepWarm": "{}s""#, chance.one_of(&[0, 10, 40]).unwrap())];
    let steps = r#"[{"weight": 10, "duration": "1s"}, {"weight": 50, "duration": "0s"}]"#;
    let strategy = match chance.below(7) {
        0 | 1 => r#"{"type": "red-black"}"#.to_owned(),
        2 => format!(r#"{{"type": "canary", "steps": {steps}}}"#),
        3 | 4 => format!(r#"{{"type": "rolling", "batch": {}}}"#, 1 + chance.below(2)),
        5 => r#"{"type": "one-by-one"}"#.to_owned(),
        _ => r#"{"type": "highlander"}"#.to_owned(),
    };
    keys.push(format!(r#""strategy": {strategy}"#));
    let watch = if chance.one_in(3) { 3 } else { 0 };
    keys.push(format!(r#""watch": "{watch}s""#));
    let beside = !strategy.contains("highlander") && !strategy.contains("one-by-one");
    let compared = strategy.contains("canary") || watch > 0 && beside;
    if compared && chance.one_in(2) {
        let too_few = chance.one_of(&["wait", "pass"]).unwrap();
        keys.push(format!(r#""analysis": {{"notEnoughData": "{too_few}", "patience": "5s"}}"#));
    }
    keys.push(format!(r#""min": 1, "desiredCapacity": {}, "max": 4"#, 1 + chance.below(3)));
    let sometimes = [
        (8, r#""pauseAfterInstancesHealthy": true"#),
        (8, r#""pauseBeforeOldRemoved": true"#),
        (3, r#""startupCheck": {"timeout": "2s"}"#),
        (8, r#""processes": {"web": {"scale": {"inFlight": 5, "scaleInAfter": "10s"}}}"#),
        (16, r#""routes": [{"host": "shared.localhost", "path": "/"}]"#),
    ];
    for (cases, key) in sometimes {
        if chance.one_in(cases) {
            keys.push(key.to_owned());
        }
    }
    if chance.one_in(2) {
        keys.push(hooks(chance));
    }
    format!("{{{}}}", keys.join(", "))
}

fn hooks(chance: &mut Chance) -> String {
    let points = ["beforeCreate", "beforeShift", "afterShift", "afterFinish"];
    let command = r#"{"command": ["/bin/true"], "deadline": "2s"}"#;
    let some: Vec<_> = points.iter().filter(|_| chance.one_in(2)).collect();
    let hooks: Vec<_> = some.iter().map(|point| format!(r#""{point}": {command}"#)).collect();
    format!(r#""hooks": {{{}}}"#, hooks.join(", "))
}
