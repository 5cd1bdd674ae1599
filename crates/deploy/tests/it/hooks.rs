//! Commands and calls at named points of a deployment.

use crate::secrets::set_secret;
use crate::world::{World, deploy, eventually, finish, image, request, rest, target};
use kiln_deploy::ports::{HookTask, Notice, Token};
use kiln_deploy::{Ask, Deploy};
use kiln_names::{Digest, SecretVersion};
use kiln_protocol::configuration::HookPoint;
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Stuck, Undone};
use serde_json::json;

const ALL: &str = r#"{"hooks": {
    "afterFinish": {"command": ["/bin/tell", "done"]},
    "beforeCreate": {"command": ["/bin/assets"]},
    "beforeShift": {"command": ["/bin/migrate", "--all"], "deadline": "30s"},
    "afterShift": {"command": ["/bin/warm"]}}}"#;

/// A world with version 1 in it, and hooks from then on.
async fn hooked() -> (World, kiln_deploy::Orchestrator) {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    world.configure("{}", "[]", ALL);
    (world, orchestrator)
}

fn points(world: &World) -> Vec<HookPoint> {
    world.hooks.begun.lock().unwrap().iter().map(|(call, _)| call.point).collect()
}

#[tokio::test]
async fn hooks_run_at_their_points_in_the_new_image() {
    use HookPoint::{AfterFinish, AfterShift, BeforeCreate, BeforeShift};
    let (world, orchestrator) = hooked().await;
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    assert_eq!(points(&world), [BeforeCreate, BeforeShift, AfterShift, AfterFinish]);
    let names: Vec<&str> = deployment.actions.iter().map(|action| action.name.as_str()).collect();
    let at = |name: &str| names.iter().position(|known| *known == name).unwrap();
    let hooks: Vec<usize> = (0..names.len()).filter(|at| names[*at] == "run-hook").collect();
    assert!(hooks[0] < at("ensure-groups") && hooks[1] > at("await-routed"), "{names:?}");
    assert!(hooks[2] > at("await-in-force") && hooks[3] > at("record-release"), "{names:?}");
    let note = |hook: usize| deployment.actions[hooks[hook]].note.as_deref();
    assert_eq!(note(1), Some("2 tables"));
    let begun = world.hooks.begun.lock().unwrap();
    let (call, HookTask::Run(run)) = &begun[1] else { panic!("{begun:?}") };
    assert_eq!(run.run.command, ["/bin/migrate", "--all"]);
    assert_eq!((run.run.port, run.env.as_ref()), (None, Some(&target().env)));
    assert_eq!(run.variables["KILN_HOOK"], "beforeShift");
    assert_eq!(run.variables["KILN_DEPLOYMENT"], call.deployment.to_string());
}

#[tokio::test]
async fn a_hook_that_fails_takes_the_deployment_back_and_says_what_it_said() {
    let (world, orchestrator) = hooked().await;
    let before = world.serving(&orchestrator).await;
    for point in [HookPoint::BeforeCreate, HookPoint::BeforeShift, HookPoint::AfterShift] {
        *world.hooks.failing.lock().unwrap() = Some(point);
        let deployment = deploy(&orchestrator, "2").await;
        assert_eq!(deployment.summary.state, Undone, "{point}: {deployment:#?}");
        let (action, failure) = deployment.failure.unwrap();
        assert_eq!(action, "run-hook");
        assert_eq!(failure.reason, format!("hook {point}: exited with code 1"));
        assert_eq!(failure.log, ["1 table", "2 tables"]);
        assert_eq!(world.serving(&orchestrator).await, before, "{point}");
    }
    world.assert_always_served();
}

#[tokio::test]
async fn a_deployment_that_has_done_everything_else_stands_whatever_its_last_hook_says() {
    let (world, orchestrator) = hooked().await;
    *world.hooks.failing.lock().unwrap() = Some(HookPoint::AfterFinish);
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let last = deployment.actions.iter().rfind(|action| action.name == "run-hook").unwrap();
    assert!(last.note.as_deref().unwrap().starts_with("the hook failed, exited"), "{last:?}");
}

/// The old group waits to be removed by then: traffic that went back to it would be lost with it.
#[tokio::test]
async fn nobody_undoes_a_deployment_whose_last_hook_runs() {
    let (world, orchestrator) = hooked().await;
    *world.hooks.hanging.lock().unwrap() = Some(HookPoint::AfterFinish);
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    eventually("the last hook runs", async || points(&world).contains(&HookPoint::AfterFinish))
        .await;
    let refused = orchestrator.undo(&target(), "bob").await.unwrap_err().to_string();
    let why = "all but its last hook is done; retry ends it, then rollback goes back";
    assert!(refused.ends_with(why), "{refused}");
    orchestrator.abort(&target(), "bob").await.unwrap();
    let hint = rest(&orchestrator, id).await.hint;
    let expected = "kiln retry hello prod goes on, all but its last hook is done";
    assert_eq!(hint.as_deref(), Some(expected));
    orchestrator.undo(&target(), "bob").await.unwrap_err();
    world.hooks.hanging.lock().unwrap().take();
    orchestrator.retry(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v002"]);
}

#[tokio::test]
async fn a_hook_that_does_not_end_in_time_is_stopped() {
    let (world, orchestrator) = hooked().await;
    *world.hooks.hanging.lock().unwrap() = Some(HookPoint::BeforeShift);
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    let (_, failure) = deployment.failure.unwrap();
    assert_eq!(failure.reason, "hook beforeShift: it did not end within 30s");
    assert_eq!(*world.hooks.stopped.lock().unwrap(), [HookPoint::BeforeShift]);
}

#[tokio::test]
async fn going_back_to_a_warm_release_runs_no_hook() {
    let (world, orchestrator) = hooked().await;
    // A worker is not kept warm: it is made anew.
    for version in ["3", "4"] {
        world.bake(version, &["web", "worker"]);
        deploy(&orchestrator, version).await;
    }
    world.hooks.begun.lock().unwrap().clear();
    let deployment = finish(&orchestrator, Ask::Rollback { to: None }).await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    assert_eq!(points(&world), []);
}

/// A world with versions 1 and 2 in it, the secret `cdn`, and a call once the traffic has moved.
async fn calling() -> (World, kiln_deploy::Orchestrator) {
    let (world, orchestrator) = hooked().await;
    set_secret(&world, "cdn", 1).await;
    let call =
        r#"{"url": "https://cdn.example/purge", "headers": {"X-Zone": "shop"}, "secret": "cdn"}"#;
    let hooks = format!(r#"{{"hooks": {{"afterShift": {{"http": {call}, "deadline": "20s"}}}}}}"#);
    world.configure("{}", "[]", &hooks);
    (world, orchestrator)
}

/// The calls that were made.
fn notices(world: &World) -> Vec<Notice> {
    let begun = world.hooks.begun.lock().unwrap();
    let notice = |(_, task): &(_, HookTask)| match task {
        HookTask::Call(notice) => Some((**notice).clone()),
        HookTask::Run(_) => None,
    };
    begun.iter().filter_map(notice).collect()
}

#[tokio::test]
async fn a_call_says_what_happens_and_has_the_secret_of_its_release() {
    let (world, orchestrator) = calling().await;
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let hook = deployment.actions.iter().find(|action| action.name == "run-hook").unwrap();
    assert_eq!(hook.note.as_deref(), Some("exited with code 0"), "not what it said besides");
    let plan = deployment.plan.as_ref().unwrap();
    let [notice] = &notices(&world)[..] else { panic!("{:?}", notices(&world)) };
    assert_eq!(notice.call.url.as_str(), "https://cdn.example/purge");
    let target = target();
    let (name, version) = ("cdn".parse().unwrap(), SecretVersion(1));
    let token = Token { app: target.app, env: target.env, name, version };
    assert_eq!(notice.token, Some(token));
    let expected = json!({
        "id": notice.id,
        "deployment": deployment.summary.id,
        "point": "afterShift",
        "application": "hello",
        "environment": "prod",
        "release": plan.release.as_ref().unwrap().id(),
        "image": Digest::of(b"2"),
        "previousRelease": plan.from.unwrap(),
    });
    assert_eq!(notice.body, expected);
}

#[tokio::test]
async fn a_call_has_the_same_id_after_a_crash_and_another_one_when_a_person_retries() {
    let (world, orchestrator) = calling().await;
    *world.hooks.hanging.lock().unwrap() = Some(HookPoint::AfterShift);
    let hold = Ask::Deploy(Deploy { hold: true, ..image("2") });
    let id = orchestrator.begin(request(hold)).await.unwrap();
    eventually("it is called", async || notices(&world).len() == 1).await;
    orchestrator.halt();
    // The next server knows of no call.
    let first = world.hooks.begun.lock().unwrap().drain(..).next_back();
    let orchestrator = world.start().await;
    assert_eq!(rest(&orchestrator, id).await.summary.state, Stuck);
    let again = notices(&world);
    let Some((_, HookTask::Call(first))) = first else { panic!("{first:?}") };
    assert_eq!(again, [*first]);
    *world.hooks.hanging.lock().unwrap() = None;
    orchestrator.retry(&target(), "bob").await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    let retried = notices(&world);
    assert_ne!(retried[1].id, retried[0].id);
}

#[tokio::test]
async fn a_call_that_is_not_answered_in_time_says_what_it_met() {
    let (world, orchestrator) = calling().await;
    *world.hooks.hanging.lock().unwrap() = Some(HookPoint::AfterShift);
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    let (_, failure) = deployment.failure.unwrap();
    assert_eq!(failure.reason, "hook afterShift: it did not end within 20s");
    assert_eq!(failure.log, ["still at it"]);
}

#[tokio::test]
async fn a_call_with_a_secret_that_there_is_not_is_refused_before_anything_happens() {
    let (world, orchestrator) = calling().await;
    let call = r#"{"url": "https://cdn.example/", "secret": "other"}"#;
    world.configure("{}", "[]", &format!(r#"{{"hooks": {{"afterFinish": {{"http": {call}}}}}}}"#));
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Invalid, "{deployment:#?}");
    let reason = deployment.summary.reason.unwrap();
    assert!(reason.contains("sends the secret other"), "{reason}");
    assert!(reason.contains("kiln secret set hello prod other"), "{reason}");
}
