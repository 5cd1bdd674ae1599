//! One deployment at a time for an application in an environment; any number side by side.

use crate::world::{World, deploy, eventually, finish, image, request, rest, target, why};
use kiln_deploy::{Ask, Deploy, Error, Request, Target};
use kiln_engine::EngineError;
use kiln_engine::sim::{Fault, Operation};
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Stuck};

#[tokio::test]
async fn the_second_is_refused_and_names_the_first() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let first = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the call hangs", async || world.engine.calls().contains(&Operation::EnsureGroup))
        .await;
    let refused = orchestrator.begin(request(Ask::Stop)).await.unwrap_err();
    let Error::Conflict { holder, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((holder.id, holder.who.as_str()), (first, "ann"));
    let expected = format!(
        "stop hello in prod: deploy {first} of ann holds it, running; \
         kiln watch {first} or kiln undo hello prod"
    );
    assert_eq!(refused.to_string(), expected);
    world.engine.release();
    assert_eq!(rest(&orchestrator, first).await.summary.state, Completed);
}

#[tokio::test]
async fn a_stuck_one_keeps_the_lock_and_an_invalid_one_does_not() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let none = finish(&orchestrator, Ask::Rollback { to: None }).await;
    assert_eq!(none.summary.state, Invalid);
    let refuse = Fault::Refuse(EngineError::permanent("do it"));
    world.engine.inject(Operation::EnsureGroup, &refuse, 1);
    let held = finish(&orchestrator, Ask::Deploy(Deploy { hold: true, ..image("1") })).await;
    assert_eq!(held.summary.state, Stuck);
    let refused = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap_err();
    assert!(refused.to_string().ends_with("kiln undo hello prod or kiln retry hello prod"));
}

#[tokio::test]
async fn another_environment_goes_on_beside() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let prod = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    eventually("the call hangs", async || world.engine.calls().contains(&Operation::EnsureGroup))
        .await;
    let staging = Target { env: "staging".parse().unwrap(), ..target() };
    let request = Request { target: staging, ask: Ask::Deploy(image("1")), why: why() };
    let id = orchestrator.begin(request).await.unwrap();
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    world.engine.release();
    assert_eq!(rest(&orchestrator, prod).await.summary.state, Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_go_on_side_by_side() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let targets =
        ('a'..='p').map(|env| Target { env: env.to_string().parse().unwrap(), ..target() });
    let mut begun = Vec::new();
    for target in targets {
        for version in ["1", "2"] {
            let request =
                Request { target: target.clone(), ask: Ask::Deploy(image(version)), why: why() };
            match orchestrator.begin(request).await {
                Ok(id) => begun.push(id),
                Err(Error::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(begun.len() >= 16);
    for id in begun {
        assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
    }
    world.assert_always_served();
}

#[tokio::test]
async fn numbers_are_taken_at_the_seal_and_never_given_again() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let refuse = Fault::Refuse(EngineError::permanent("do it"));
    world.engine.inject(Operation::EnsureGroup, &refuse, 1);
    deploy(&orchestrator, "2").await;
    orchestrator.plan(&request(Ask::Deploy(image("2")))).await.unwrap();
    deploy(&orchestrator, "3").await;
    assert_eq!(world.serving(&orchestrator).await, ["hello-prod-web-v003"]);
}
