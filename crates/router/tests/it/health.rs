//! Checks at start-up and for life.

use crate::backend::Backend;
use crate::client::Client;
use crate::harness::{Router, endpoint, health, of, one};
use kiln_names::Span;
use kiln_router::{CheckKind, Health, Table};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

fn with_checks(backend: &Backend, change: impl Fn(&mut kiln_router::Check)) -> Table {
    let mut table = one(1, &[backend]);
    change(&mut table.clusters[0].groups[0].instances[0].check);
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_takes_traffic_within_milliseconds_of_being_ready() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    backend.set_health(503);
    let table = with_checks(&backend, |check| {
        check.startup.interval = Span::millis(40);
        check.interval = Span::seconds(3600);
    });
    router.control.apply(&table).await.unwrap();
    let status = router
        .until("it was asked", |status| !of(status, &backend).unwrap().last_check.is_empty())
        .await;
    let shown = of(&status, &backend).unwrap();
    assert_eq!(shown.last_check, "GET /ready → 503 Service Unavailable: sick and tired");
    assert_eq!(shown.health, Health::Starting);
    backend.set_health(204);
    let ready = Instant::now();
    let status = router
        .until("it is healthy", |status| health(status, &backend) == Some(Health::Healthy))
        .await;
    assert!(ready.elapsed() < Duration::from_secs(2), "{:?}", ready.elapsed());
    assert_eq!(of(&status, &backend).unwrap().last_check, "GET /ready → 204 No Content");
    assert_eq!(Client::connect(router.address).await.get("/").await.1, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_start_in_time_has_failed() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    backend.set_health(500);
    let table = with_checks(&backend, |check| check.startup.timeout = Span::millis(60));
    router.control.apply(&table).await.unwrap();
    router.until("it failed", |status| health(status, &backend) == Some(Health::Failed)).await;
    backend.set_health(200);
    router.until("it came late", |status| health(status, &backend) == Some(Health::Healthy)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn liveness_has_a_path_and_a_threshold_of_its_own() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    backend.set_health(500);
    let status = router
        .until("it is unhealthy", |status| health(status, &backend) == Some(Health::Unhealthy))
        .await;
    assert_eq!(
        of(&status, &backend).unwrap().last_check,
        "GET /live → 500 Internal Server Error: sick and tired"
    );
    assert_eq!(Client::connect(router.address).await.get("/").await.0.as_u16(), 503);
    backend.set_health(302);
    router.until("it recovers", |status| health(status, &backend) == Some(Health::Healthy)).await;
    assert_eq!(Client::connect(router.address).await.get("/").await.0.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_listen_and_what_does_not_answer_are_told_apart() {
    let router = Router::start().await;
    let absent = Backend::named("a").await;
    let silent = Backend::sockets(|stream, _, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut table = one(1, &[&silent]);
    table.clusters[0].groups[0].instances[0].check.timeout = Span::millis(50);
    let mut nobody = endpoint(&absent);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    nobody.address = closed.local_addr().unwrap();
    drop(closed);
    table.clusters[0].groups[0].instances.push(nobody);
    router.control.apply(&table).await.unwrap();
    let said = |one: &Backend, text: &'static str| {
        let id = crate::harness::instance_id(one);
        move |status: &kiln_router::Status| {
            status.instances.iter().any(|one| one.id == id && one.last_check == text)
        }
    };
    router.until("refused", said(&absent, "GET /ready → connection refused")).await;
    router.until("silent", said(&silent, "GET /ready → no answer within 50ms")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_over_tcp_passes_while_somebody_accepts() {
    let router = Router::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // It is the system that accepts for it: nobody here answers anything.
    let silent = Backend::named("a").await;
    let mut table = with_checks(&silent, |check| {
        check.kind = CheckKind::Tcp;
        check.startup.kind = CheckKind::Tcp;
    });
    let at = &mut table.clusters[0].groups[0].instances[0];
    at.address = listener.local_addr().unwrap();
    let id = at.id;
    router.control.apply(&table).await.unwrap();
    let found = |status: &kiln_router::Status| {
        let it = status.instances.iter().find(|instance| instance.id == id);
        it.map(|it| (it.health, it.last_check.clone()))
    };
    let passed = (Health::Healthy, format!("connect to {port} → accepted"));
    router.until("it is healthy", |status| found(status).as_ref() == Some(&passed)).await;
    drop(listener);
    let failed = (Health::Unhealthy, format!("connect to {port} → connection refused"));
    router.until("it is unhealthy", |status| found(status).as_ref() == Some(&failed)).await;
}
