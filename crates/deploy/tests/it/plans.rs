//! Plans as people read them.

use crate::world::{World, deploy, image, request};
use expect_test::{Expect, expect};
use kiln_deploy::Ask;

async fn check(world: &World, ask: Ask, expected: Expect) {
    let orchestrator = world.start().await;
    let plan = orchestrator.plan(&request(ask)).await.unwrap();
    let printed = match &plan.release {
        Some(release) => plan.to_string().replace(&release.id().short(), "RELEASE"),
        None => plan.to_string(),
    };
    expected.assert_eq(&printed);
    orchestrator.halt();
}

#[tokio::test]
async fn a_deployment_with_workers_is_one_list() {
    let world = World::new().await;
    world.bake("1", &["web", "worker"]);
    world.bake("2", &["web", "worker"]);
    world.configure("{}", "[]", r#"{"watch": "30s"}"#);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    orchestrator.halt();
    check(&world, Ask::Deploy(image("2")), expect![[r#"
        1  create  claim-routes       claim hello.prod.localhost/
        2  create  announce           deploy RELEASE as v002 to hello in prod begins
        3  create  ensure-image       bring image d4735e3a265e
        4  create  ensure-groups      make hello-prod-web-v002, hello-prod-worker-v002
        5  create  apply-traffic      check the new groups, without traffic
        6  create  resize-groups      resize hello-prod-web-v002 to 2, hello-prod-worker-v002 to 2
        7  settle  await-exist        there: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        8  settle  await-started      started: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        9  settle  await-startup      healthy: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        10 settle  await-stable       stable: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        11 shift   await-routed       healthy for the router: hello-prod-web-v002 (2)
        12 shift   stop-unrouted      stop hello-prod-worker-v001 from 2 to 0
        13 shift   apply-traffic      move all traffic to hello-prod-web-v002
        14 shift   await-in-force     routes and weights in force
        15 watch   watch              watch hello-prod-web-v002 (2), hello-prod-worker-v002 (2) for 30s
        16 finish  retire-groups      keep hello-prod-web-v001 15m, remove hello-prod-worker-v001
        17 finish  record-release     RELEASE is active: hello-prod-web-v002, hello-prod-worker-v002
        18 finish  free-routes        free all routes but 1
        19 finish  announce           deploy RELEASE as v002 to hello in prod is done
    "#]]).await;
}

#[tokio::test]
async fn a_warm_rollback_is_short() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    deploy(&orchestrator, "2").await;
    orchestrator.halt();
    check(
        &world,
        Ask::Rollback { to: None },
        expect![[r#"
            1  create  claim-routes       claim hello.prod.localhost/
            2  create  cancel-retirement  take hello-prod-web-v001 back
            3  create  announce           rollback RELEASE to hello in prod begins
            4  shift   apply-traffic      move all traffic to hello-prod-web-v001
            5  shift   await-in-force     routes and weights in force
            6  finish  retire-groups      keep hello-prod-web-v002 15m
            7  finish  record-release     RELEASE is active: hello-prod-web-v001
            8  finish  free-routes        free all routes but 1
            9  finish  announce           rollback RELEASE to hello in prod is done
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_stop_takes_traffic_first() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    orchestrator.halt();
    check(
        &world,
        Ask::Stop,
        expect![[r#"
            1  create  announce           stop hello in prod begins
            2  shift   apply-traffic      take all traffic away
            3  shift   await-in-force     routes and weights in force
            4  finish  remove-groups      remove hello-prod-web-v001
            5  finish  await-gone         hello-prod-web-v001 gone
            6  finish  record-release     nothing is active
            7  finish  free-routes        free all routes
            8  finish  announce           stop hello in prod is done
        "#]],
    )
    .await;
}

async fn plan_by(params: &str, expected: Expect) {
    let world = World::new().await;
    world.bake("1", &["web", "worker"]);
    world.bake("2", &["web", "worker"]);
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    orchestrator.halt();
    world.configure("{}", "[]", params);
    check(&world, Ask::Deploy(image("2")), expected).await;
}

#[tokio::test]
async fn a_canary_takes_a_growing_share_before_all_of_it() {
    let steps = r#"[{"weight": 5, "duration": "5m"}, {"weight": 50, "duration": "10m"}]"#;
    let params = format!(r#"{{"strategy": {{"type": "canary", "steps": {steps}}}}}"#);
    plan_by(&params, expect![[r#"
        1  create  claim-routes       claim hello.prod.localhost/
        2  create  announce           deploy RELEASE as v002 to hello in prod begins
        3  create  ensure-image       bring image d4735e3a265e
        4  create  ensure-groups      make hello-prod-web-v002, hello-prod-worker-v002
        5  create  apply-traffic      check the new groups, without traffic
        6  create  resize-groups      resize hello-prod-web-v002 to 2, hello-prod-worker-v002 to 2
        7  settle  await-exist        there: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        8  settle  await-started      started: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        9  settle  await-startup      healthy: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        10 settle  await-stable       stable: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        11 shift   await-routed       healthy for the router: hello-prod-web-v002 (2)
        12 shift   apply-traffic      send 5 % to hello-prod-web-v002
        13 shift   await-in-force     routes and weights in force
        14 shift   watch              watch hello-prod-web-v002 (2), hello-prod-worker-v002 (2) for 5m
        15 shift   apply-traffic      send 50 % to hello-prod-web-v002
        16 shift   await-in-force     routes and weights in force
        17 shift   watch              watch hello-prod-web-v002 (2), hello-prod-worker-v002 (2) for 10m
        18 shift   stop-unrouted      stop hello-prod-worker-v001 from 2 to 0
        19 shift   apply-traffic      move all traffic to hello-prod-web-v002
        20 shift   await-in-force     routes and weights in force
        21 finish  retire-groups      keep hello-prod-web-v001 15m, remove hello-prod-worker-v001
        22 finish  record-release     RELEASE is active: hello-prod-web-v002, hello-prod-worker-v002
        23 finish  free-routes        free all routes but 1
        24 finish  announce           deploy RELEASE as v002 to hello in prod is done
    "#]]).await;
}

#[tokio::test]
async fn a_rolling_deployment_changes_batch_by_batch() {
    plan_by(r#"{"strategy": {"type": "rolling"}}"#, expect![[r#"
        1  create  claim-routes       claim hello.prod.localhost/
        2  create  announce           deploy RELEASE as v002 to hello in prod begins
        3  create  ensure-image       bring image d4735e3a265e
        4  create  ensure-groups      make hello-prod-web-v002, hello-prod-worker-v002
        5  create  apply-traffic      check the new groups, without traffic
        6  shift   resize-groups      resize hello-prod-web-v002 to 1, hello-prod-worker-v002 to 1
        7  shift   await-stable       stable: hello-prod-web-v002 (1), hello-prod-worker-v002 (1)
        8  shift   await-routed       healthy for the router: hello-prod-web-v002 (1)
        9  shift   apply-traffic      share the traffic with batch 1 of 2
        10 shift   await-in-force     routes and weights in force
        11 shift   resize-groups      resize hello-prod-web-v001 from 2 to 1, hello-prod-worker-v001 from 2 to 1
        12 shift   resize-groups      resize hello-prod-web-v002 from 1 to 2, hello-prod-worker-v002 from 1 to 2
        13 shift   await-stable       stable: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
        14 shift   await-routed       healthy for the router: hello-prod-web-v002 (2)
        15 shift   apply-traffic      move all traffic to hello-prod-web-v002
        16 shift   await-in-force     routes and weights in force
        17 shift   resize-groups      resize hello-prod-web-v001 from 1 to 0, hello-prod-worker-v001 from 1 to 0
        18 finish  retire-groups      remove hello-prod-web-v001, remove hello-prod-worker-v001
        19 finish  record-release     RELEASE is active: hello-prod-web-v002, hello-prod-worker-v002
        20 finish  free-routes        free all routes but 1
        21 finish  announce           deploy RELEASE as v002 to hello in prod is done
    "#]]).await;
}

#[tokio::test]
async fn a_highlander_leaves_before_the_next_one_comes() {
    plan_by(
        r#"{"strategy": {"type": "highlander"}}"#,
        expect![[r#"
            1  create  claim-routes       claim hello.prod.localhost/
            2  create  announce           deploy RELEASE as v002 to hello in prod begins
            3  create  ensure-image       bring image d4735e3a265e
            4  create  apply-traffic      take all traffic away
            5  create  await-in-force     routes and weights in force
            6  create  remove-groups      remove hello-prod-web-v001, hello-prod-worker-v001
            7  create  await-gone         hello-prod-web-v001, hello-prod-worker-v001 gone
            8  create  ensure-groups      make hello-prod-web-v002, hello-prod-worker-v002
            9  create  apply-traffic      check the new groups, without traffic
            10 create  resize-groups      resize hello-prod-web-v002 to 2, hello-prod-worker-v002 to 2
            11 settle  await-exist        there: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
            12 settle  await-started      started: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
            13 settle  await-startup      healthy: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
            14 settle  await-stable       stable: hello-prod-web-v002 (2), hello-prod-worker-v002 (2)
            15 shift   await-routed       healthy for the router: hello-prod-web-v002 (2)
            16 shift   apply-traffic      move all traffic to hello-prod-web-v002
            17 shift   await-in-force     routes and weights in force
            18 finish  retire-groups      remove what was kept warm
            19 finish  record-release     RELEASE is active: hello-prod-web-v002, hello-prod-worker-v002
            20 finish  free-routes        free all routes but 1
            21 finish  announce           deploy RELEASE as v002 to hello in prod is done
        "#]],
    )
    .await;
}
