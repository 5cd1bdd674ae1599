//! What a preparation refuses, in which words. Nothing changes by it.

use crate::world::{World, deploy, finish, image, request, rest, target, why};
use kiln_deploy::{Ask, Deploy, Error, ProblemKind, Request, Target};
use kiln_engine::{Capacity, Resources};
use kiln_names::ByteSize;
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid};

async fn check(world: &World, ask: Ask, expected: &str) {
    let orchestrator = world.start().await;
    let planned = orchestrator.plan(&request(ask.clone())).await.unwrap_err().to_string();
    assert!(planned.ends_with(expected), "{planned}");
    let before = world.engine.groups();
    let deployment = finish(&orchestrator, ask).await;
    assert_eq!(deployment.summary.state, Invalid);
    assert_eq!(deployment.summary.reason.as_deref(), Some(expected));
    assert_eq!(world.engine.groups(), before);
}

#[tokio::test]
async fn an_unknown_application_or_environment_is_not_found_before_any_lock() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for (app, env) in [("unknown", "prod"), ("hello", "unknown")] {
        let target = Target { app: app.parse().unwrap(), env: env.parse().unwrap() };
        let request = Request { target, ask: Ask::Stop, why: why() };
        let Err(Error::Problem(no)) = orchestrator.begin(request).await else { panic!("{app}") };
        assert_eq!(no.kind, ProblemKind::NotFound);
    }
    assert_eq!(orchestrator.deployments(None, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_blocked_application_is_not_deployed() {
    let world = World::new().await;
    *world.library.blocked.lock().unwrap() = Some("by ann: the audit".to_owned());
    check(&world, Ask::Deploy(image("1")), "hello is blocked: by ann: the audit").await;
}

#[tokio::test]
async fn an_image_must_be_there_fit_and_be_allowed() {
    let world = World::new().await;
    check(&world, Ask::Deploy(image("9")), "no hello:9").await;
    let edit = |change: &dyn Fn(&mut kiln_deploy::ports::ImageFacts)| {
        change(&mut world.library.images.lock().unwrap().get_mut("1").unwrap().1);
    };
    edit(&|facts| facts.architecture = "arm64".to_owned());
    let expected = "the image is for arm64, the engine runs amd64";
    check(&world, Ask::Deploy(image("1")), expected).await;
    edit(&|facts| facts.embargo = Some("CVE-1".to_owned()));
    let short = world.library.images.lock().unwrap()["1"].0.short();
    let expected = format!("image {short} may not run here: CVE-1");
    check(&world, Ask::Deploy(image("1")), &expected).await;
    edit(&|facts| facts.app = Some("other".parse().unwrap()));
    let expected = format!("image {short} is of other, not of hello");
    check(&world, Ask::Deploy(image("1")), &expected).await;
}

#[tokio::test]
async fn a_configuration_must_fit_the_image() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"processes": {"webb": {}}}"#);
    let orchestrator = world.start().await;
    let deployment = deploy(&orchestrator, "1").await;
    assert_eq!(deployment.summary.state, Invalid);
    assert!(deployment.summary.reason.unwrap().contains("did you mean `web`?"));
}

#[tokio::test]
async fn memory_that_is_not_there_is_not_promised() {
    let world = World::new().await;
    let left = Resources { cpu_millis: 10, memory: ByteSize::mib(1000) };
    world.engine.set_capacity(Capacity::unused(left));
    let expected = "1GiB of memory are needed (2 × 512MiB for web), 1000MiB are left";
    check(&world, Ask::Deploy(image("1")), expected).await;
}

#[tokio::test]
async fn a_warm_group_makes_room_when_memory_is_short() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    let left = Resources { cpu_millis: 0, memory: ByteSize::mib(10) };
    world.engine.set_capacity(Capacity::unused(left));
    let deployment = deploy(&orchestrator, "3").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let notes = &deployment.plan.as_ref().unwrap().notes;
    assert_eq!(notes, &["hello-prod-web-v001 makes room: there is no going back to it"]);
    let actions: Vec<&str> = deployment.actions.iter().map(|a| a.name.as_str()).collect();
    let at = |name| actions.iter().position(|action| *action == name).unwrap();
    assert!(at("await-gone") < at("ensure-groups"), "{actions:?}");
    assert_eq!(world.engine.groups().len(), 2, "the one before stays warm");
    world.assert_always_served();
}

#[tokio::test]
async fn a_route_of_another_is_refused_and_its_holder_named() {
    let world = World::new().await;
    world.configure("{}", "[]", r#"{"routes": [{"host": "www.example.org"}]}"#);
    let orchestrator = world.start().await;
    let staging = Target { env: "staging".parse().unwrap(), ..target() };
    let ask = Ask::Deploy(image("1"));
    let first = Request { target: staging.clone(), ask, why: why() };
    let first = orchestrator.begin(first).await.unwrap();
    assert_eq!(rest(&orchestrator, first).await.summary.state, Completed);
    let expected = "www.example.org/ belongs to web of hello in staging";
    check(&world, Ask::Deploy(image("1")), expected).await;
    // Once it stops, the route is free.
    let stop = Request { target: staging, ask: Ask::Stop, why: why() };
    let stop = orchestrator.begin(stop).await.unwrap();
    assert_eq!(rest(&orchestrator, stop).await.summary.state, Completed);
    assert_eq!(deploy(&orchestrator, "1").await.summary.state, Completed);
}

#[tokio::test]
async fn what_is_contradictory_or_missing_is_said() {
    let world = World::new().await;
    let deploy = Deploy { release: Some("r-1234".to_owned()), ..image("1") };
    let expected = "a release has its image and its configuration: name no others with it";
    check(&world, Ask::Deploy(deploy), expected).await;
    let deploy = Deploy { release: Some("r-1234".to_owned()), ..Deploy::default() };
    check(&world, Ask::Deploy(deploy), "hello in prod has no release r-1234").await;
    check(&world, Ask::Redeploy, "nothing of hello in prod is active").await;
    let expected = "nothing was ever deployed of hello in prod";
    check(&world, Ask::Rollback { to: None }, expected).await;
    check(&world, Ask::Stop, "nothing of hello in prod runs").await;
    let expected = "nothing of hello in prod runs";
    check(&world, Ask::Resize { process: None, size: 1 }, expected).await;
}

#[tokio::test]
async fn without_an_image_the_newest_bake_is_taken_and_announced() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let deployment = finish(&orchestrator, Ask::Deploy(Deploy::default())).await;
    assert_eq!(deployment.summary.state, Completed);
    let notes = deployment.plan.unwrap().notes.clone();
    assert!(notes[0].starts_with("the newest bake is hello:3, "), "{notes:?}");
}
