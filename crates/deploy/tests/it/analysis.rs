//! A new release that is worse than the old one, by what was counted, does not stay.

use crate::world::{World, deploy, eventually, image, request, rest};
use kiln_deploy::ports::Measured;
use kiln_deploy::view::Deployment;
use kiln_deploy::{Ask, Orchestrator};
use kiln_engine::Figures;
use kiln_names::{Digest, GroupId};
use kiln_protocol::deployment::DeploymentState::{Completed, Undone};
use serde_json::json;

/// A canary of one short step, compared; what follows without enough data is told.
fn params(not_enough_data: &str) -> String {
    let steps = r#"[{"weight": 10, "duration": "1s"}]"#;
    let analysis = format!(r#"{{"notEnoughData": "{not_enough_data}", "patience": "30s"}}"#);
    format!(r#"{{"strategy": {{"type": "canary", "steps": {steps}}}, "analysis": {analysis}}}"#)
}

/// Version 1 serves, 5000 requests of which went well.
async fn measured(not_enough_data: &str) -> (World, Orchestrator, Digest) {
    let world = World::new().await;
    let orchestrator = world.start().await;
    let old = world.bake("old", &["web"]);
    deploy(&orchestrator, "old").await;
    count(&world, old, 5_000, 0);
    let new = world.bake("new", &["web"]);
    world.configure("{}", "[]", &params(not_enough_data));
    (world, orchestrator, new)
}

fn count(world: &World, image: Digest, requests: u64, failed: u64) {
    let group = GroupId::from_random([0; 4]);
    world.engine.count(image, Figures { group, by: 0, requests, failed, times: Vec::new() });
}

#[tokio::test]
async fn a_canary_that_fails_more_is_taken_back_with_the_numbers() {
    let (world, orchestrator, new) = measured("pass").await;
    let before = world.serving(&orchestrator).await;
    count(&world, new, 500, 50);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    let (action, failure) = deployment.failure.unwrap();
    let why = "is worse of 500 requests: failed 10.00 % (old 0.00 %, 1.00 % more allowed)";
    assert_eq!((action.as_str(), failure.reason.contains(why)), ("analyze", true), "{failure:?}");
    assert_eq!(world.serving(&orchestrator).await, before);
}

#[tokio::test]
async fn one_that_is_no_worse_takes_over_and_its_record_says_why() {
    let (world, orchestrator, new) = measured("fail").await;
    count(&world, new, 500, 1);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let note = deployment.actions.iter().find(|action| action.name == "analyze").unwrap();
    let note = note.note.as_deref().unwrap();
    assert!(note.starts_with("no worse of 500 requests: failed 0.20 %"), "{note}");
}

#[tokio::test]
async fn too_few_requests_pass_fail_or_are_waited_for_as_the_configuration_says() {
    let (world, orchestrator, new) = measured("pass").await;
    count(&world, new, 20, 20);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let note = deployment.actions.iter().find(|action| action.name == "analyze").unwrap();
    assert!(note.note.as_deref().unwrap().starts_with("not enough data: 20 requests"), "{note:?}");

    let (world, orchestrator, new) = measured("fail").await;
    count(&world, new, 20, 0);
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");

    let (world, orchestrator, new) = measured("wait").await;
    let id = orchestrator.begin(request(Ask::Deploy(image("new")))).await.unwrap();
    eventually("it waits", async || {
        let actions = orchestrator.deployment(id).await.unwrap().actions;
        actions.iter().any(|action| action.name == "analyze")
    })
    .await;
    count(&world, new, 200, 0);
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

/// A watched deployment that asks a Prometheus.
fn asking(not_enough_data: &str, strategy: &str, queries: &[(&str, &str)]) -> String {
    let query = |(name, query): &(&str, &str)| json!({"name": name, "query": query, "max": 0.01});
    let queries: Vec<_> = queries.iter().map(query).collect();
    let prometheus = json!({"url": "http://prometheus:9090", "queries": queries});
    let analysis =
        json!({"notEnoughData": not_enough_data, "patience": "30s", "prometheus": prometheus});
    json!({"watch": "1s", "strategy": {"type": strategy}, "analysis": analysis}).to_string()
}

const ERRORS: (&str, &str) = ("errors", "errors{group=\"{group}\"}");

fn knows(world: &World, query: &str, measured: Measured) {
    world.metrics.values.lock().unwrap().insert(query.to_owned(), measured);
}

/// What the action that asked had to say.
fn note(deployment: &Deployment) -> String {
    let action = deployment.actions.iter().find(|action| action.name == "analyze").unwrap();
    action.note.clone().unwrap()
}

#[tokio::test]
async fn a_release_with_bad_figures_is_taken_back_and_one_with_good_ones_stays() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    deploy(&orchestrator, "1").await;
    let before = world.serving(&orchestrator).await;
    world.configure("{}", "[]", &asking("fail", "highlander", &[ERRORS]));
    knows(&world, "errors{group=\"hello-prod-web-v002\"}", Measured::Value(0.5));
    knows(&world, "errors{group=\"hello-prod-web-v003\"}", Measured::Value(0.001));
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    let summary =
        &deployment.actions.iter().find(|action| action.name == "analyze").unwrap().summary;
    assert_eq!(summary, "ask for errors of web (at most 0.01)");
    let (action, failure) = deployment.failure.unwrap();
    assert_eq!(
        (action.as_str(), failure.reason.as_str()),
        ("analyze", "errors of web 0.5 (at most 0.01)")
    );
    assert_eq!(world.serving(&orchestrator).await, before);
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    assert_eq!(note(&deployment), "errors of web 0.001 (at most 0.01)");
}

#[tokio::test]
async fn figures_decide_beside_those_of_the_router() {
    let (world, orchestrator, new) = measured("fail").await;
    count(&world, new, 500, 1);
    world.configure("{}", "[]", &asking("fail", "red-black", &[ERRORS]));
    knows(&world, "errors{group=\"hello-prod-web-v002\"}", Measured::Value(0.002));
    let deployment = deploy(&orchestrator, "new").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
    let note = note(&deployment);
    assert!(note.starts_with("no worse of 500 requests: failed 0.20 %"), "{note}");
    assert!(note.ends_with("; errors of web 0.002 (at most 0.01)"), "{note}");
}

#[tokio::test]
async fn a_process_without_routes_is_measured_by_queries_alone() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for version in ["1", "2"] {
        world.bake(version, &["worker"]);
    }
    deploy(&orchestrator, "1").await;
    let jobs = ("failed jobs", "failed{process=\"{process}\",release=\"{release}\"}");
    world.configure("{}", "[]", &asking("fail", "red-black", &[jobs]));
    let deployment = deploy(&orchestrator, "2").await;
    let release = deployment.plan.as_ref().unwrap().release.as_ref().unwrap().id();
    let (_, failure) = deployment.failure.unwrap();
    assert_eq!(failure.reason, "not enough data: failed jobs of worker: there is no such series");
    let query = format!("failed{{process=\"worker\",release=\"{release}\"}}");
    assert_eq!(world.metrics.asked.lock().unwrap().join(" "), query);
    knows(&world, &query, Measured::Value(0.0));
    let deployment = deploy(&orchestrator, "2").await;
    assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
}

#[tokio::test]
async fn what_cannot_be_measured_passes_fails_or_is_waited_for_as_the_configuration_says() {
    for nothing in [Measured::Value(f64::NAN), Measured::Nothing("it is away".to_owned())] {
        for (not_enough_data, expected) in [("pass", Completed), ("fail", Undone)] {
            let world = World::new().await;
            let orchestrator = world.start().await;
            world.configure("{}", "[]", &asking(not_enough_data, "red-black", &[ERRORS]));
            knows(&world, "errors{group=\"hello-prod-web-v001\"}", nothing.clone());
            let deployment = deploy(&orchestrator, "1").await;
            assert_eq!(deployment.summary.state, expected, "{deployment:#?}");
            let told = deployment.failure.as_ref().map(|(_, failure)| failure.reason.clone());
            let told = told.unwrap_or_else(|| note(&deployment));
            assert!(told.starts_with("not enough data: errors of web"), "{told}");
        }
    }
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.configure("{}", "[]", &asking("wait", "red-black", &[ERRORS]));
    let id = orchestrator.begin(request(Ask::Deploy(image("1")))).await.unwrap();
    let asked = || world.metrics.asked.lock().unwrap().len();
    eventually("it asks again", async || asked() > 1).await;
    knows(&world, "errors{group=\"hello-prod-web-v001\"}", Measured::Value(0.0));
    assert_eq!(rest(&orchestrator, id).await.summary.state, Completed);
}

#[tokio::test]
async fn a_query_without_a_single_value_is_a_mistake_whatever_is_enough_data() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    world.configure("{}", "[]", &asking("pass", "red-black", &[("all", "up"), ERRORS]));
    knows(&world, "up", Measured::Unusable("it has 2 elements".to_owned()));
    let deployment = deploy(&orchestrator, "1").await;
    assert_eq!(deployment.summary.state, Undone, "{deployment:#?}");
    assert_eq!(deployment.failure.unwrap().1.reason, "all: it has 2 elements");
}

#[tokio::test]
async fn placeholders_name_the_new_and_the_old_one_and_what_there_is_not_is_not_asked_for() {
    let world = World::new().await;
    let orchestrator = world.start().await;
    for version in ["1", "2"] {
        world.bake(version, &["web", "worker"]);
    }
    let groups = ("a", "{group} {oldGroup} {process}");
    let releases = ("b", "{release} {oldRelease} {application} {environment}");
    let new = ("c", "{release}");
    world.configure("{}", "[]", &asking("pass", "red-black", &[groups, releases, new]));
    let asked = || std::mem::take(&mut *world.metrics.asked.lock().unwrap());
    let release = |deployment: &Deployment| {
        deployment.plan.as_ref().unwrap().release.as_ref().unwrap().id().to_string()
    };
    let first = release(&deploy(&orchestrator, "1").await);
    assert_eq!(asked().join(" "), first, "the first has no old one");
    let second = release(&deploy(&orchestrator, "2").await);
    let of =
        |process: &str| format!("hello-prod-{process}-v002 hello-prod-{process}-v001 {process}");
    let expected = [of("web"), of("worker"), format!("{second} {first} hello prod"), second];
    assert_eq!(asked(), expected);
}
