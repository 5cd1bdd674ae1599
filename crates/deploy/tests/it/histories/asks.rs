//! What people do in a history.

use super::chance::Chance;
use super::course::{History, targets};
use kiln_deploy::{Ask, Deploy, Error, Orchestrator, Request, Target, Why};
use kiln_names::{DeploymentId, ImageRef};
use kiln_protocol::configuration::HookPoint;
use kiln_store::audit::By;
use kiln_store::lock::{self, LockRow};

/// Somebody asks for a deployment.
pub(crate) fn request(history: &mut History) {
    let Some(server) = history.server.clone() else { return };
    let target = history.chance.one_of(&targets()).unwrap().clone();
    let ask = ask(history);
    history.tell(format!("asked for {target}: {ask:?}"));
    let why = Why { who: "ann".to_owned(), message: "because".to_owned() };
    let request = Request { target, ask, why };
    history.ask("begin", async move { server.begin(request).await.map(|id| id.to_string()) });
}

fn ask(history: &mut History) -> Ask {
    let chance = &mut history.chance;
    match chance.below(16) {
        0..8 => {
            let versions = ["1", "2", "3", "4", "5", "4", "crashes", "never"];
            let version = chance.one_of(&versions).unwrap();
            let image = Some(ImageRef::parse(&format!("hello:{version}")).unwrap());
            Ask::Deploy(Deploy { image, hold: chance.one_in(4), ..Deploy::default() })
        }
        8 => Ask::Redeploy,
        9..12 => Ask::Rollback { to: None },
        12 => Ask::Stop,
        13 | 14 => {
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

/// Somebody asks something of a deployment.
pub(crate) fn command(history: &mut History) {
    let target = history.chance.one_of(&targets()).unwrap().clone();
    let verb = history.chance.one_of(&["abort", "undo", "retry", "pause", "resume"]).unwrap();
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

/// A configuration.
pub(crate) fn params(chance: &mut Chance) -> String {
    let mut keys = vec![format!(r#""keepWarm": "{}s""#, chance.one_of(&[0, 10, 40]).unwrap())];
    let strategies = [
        r#"{"type": "red-black"}"#,
        r#"{"type": "canary", "steps": [{"weight": 10, "duration": "1s"}, {"weight": 50, "duration": "0s"}]}"#,
        r#"{"type": "rolling"}"#,
        r#"{"type": "rolling", "batch": 2}"#,
        r#"{"type": "highlander"}"#,
    ];
    keys.push(format!(r#""strategy": {}"#, chance.one_of(&strategies).unwrap()));
    keys.push(format!(r#""desiredCapacity": {}, "min": 0, "max": 4"#, 1 + chance.below(3)));
    let sometimes = [
        r#""watch": "3s""#,
        r#""pauseAfterInstancesHealthy": true"#,
        r#""pauseBeforeOldRemoved": true"#,
        r#""analysis": {"notEnoughData": "wait", "patience": "5s"}"#,
        r#""analysis": {"notEnoughData": "pass"}"#,
        r#""startupCheck": {"timeout": "2s"}"#,
    ];
    for key in sometimes {
        if chance.one_in(4) && !keys.iter().any(|known| known[..6] == key[..6]) {
            keys.push(key.to_owned());
        }
    }
    if chance.one_in(3) {
        keys.push(hooks(chance));
    }
    if chance.one_in(8) {
        keys.push(r#""scale": {"inFlight": 5, "scaleInAfter": "10s"}"#.to_owned());
    }
    if chance.one_in(6) {
        keys.push(r#""routes": [{"host": "shared.localhost", "path": "/"}]"#.to_owned());
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
