//! What becomes of the tables that a router is given.

use crate::backend::Backend;
use crate::client::Client;
use crate::harness::{Router, health, one, settings, table};
use kiln_router::{ApplyError, Health, RouterError, Socket, run};
use std::os::unix::fs::PermissionsExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_is_refused_and_the_same_table_is_already_so() {
    let router = Router::start().await;
    let (one_, two) = (Backend::named("one").await, Backend::named("two").await);
    router.serve(&one(5, &[&one_])).await;
    router.control.apply(&one(5, &[&one_])).await.unwrap();
    let stale = router.control.apply(&one(4, &[&two])).await.unwrap_err();
    assert_eq!(stale.to_string(), "table is stale: the router has epoch 1, version 5");
    let conflict = router.control.apply(&one(5, &[&two])).await.unwrap_err();
    assert!(matches!(conflict, ApplyError::Conflict { epoch: 1, version: 5 }), "{conflict}");
    let mut older = one(99, &[&two]);
    older.epoch = 0;
    assert!(matches!(router.control.apply(&older).await, Err(ApplyError::Stale { .. })));
    let mut later = one(1, &[&two]);
    later.epoch = 2;
    router.serve(&later).await;
    assert_eq!(Client::connect(router.address).await.get("/").await.1, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_contradicts_itself_is_refused_whole() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let mut twice = one(2, &[&backend]);
    twice.clusters.push(twice.clusters[0].clone());
    let refused = router.control.apply(&twice).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "table is invalid: cluster a/test/web stands twice in the table"
    );
    assert_eq!(router.status().await.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_starts_serves_its_last_table_at_once_and_alone() {
    let router = Router::start().await;
    let warm = Backend::named("a").await;
    router.serve(&one(7, &[&warm])).await;
    let dir = router.stop().await;
    warm.set_health(0);
    let router = Router::start_in(dir).await;
    assert_eq!(Client::connect(router.address).await.get("/").await.1, "a");
    let status = router.status().await;
    assert_eq!((status.epoch, status.version), (1, 7));
    assert_eq!(health(&status, &warm), Some(Health::Presumed));
    assert!(matches!(
        router.control.apply(&one(6, &[&warm])).await,
        Err(ApplyError::Stale { epoch: 1, version: 7 })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presumption_ends_with_the_first_check() {
    let router = Router::start().await;
    let (dead, alive) = (Backend::named("dead").await, Backend::named("alive").await);
    router.serve(&one(1, &[&dead, &alive])).await;
    let dir = router.stop().await;
    dead.set_health(500);
    let router = Router::start_in(dir).await;
    router
        .until("each is known for what it is", |status| {
            health(status, &dead) == Some(Health::Unhealthy)
                && health(status, &alive) == Some(Health::Healthy)
        })
        .await;
    dead.set_health(200);
    router.until("it recovers", |status| health(status, &dead) == Some(Health::Healthy)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_router_is_told_what_is_in_its_way() {
    let router = Router::start().await;
    let mut second = settings(router.dir.path());
    let error = run(second, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().starts_with("another router runs on "), "{error}");
    let other = tempfile::tempdir().unwrap();
    second = settings(other.path());
    second.socket = Socket::Address(router.address);
    let error = run(second, std::future::pending()).await.unwrap_err();
    let expected =
        format!("cannot take traffic on {}: another program listens there", router.address);
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, RouterError::Listen { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_open_what_a_router_keeps() {
    let router = Router::start().await;
    router.control.apply(&table(1, Vec::new())).await.unwrap();
    for name in ["r.sock", "state/table.json"] {
        let path = router.dir.path().join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inherited_socket_is_taken_over() {
    let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = inherited.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.socket = Socket::Inherited(inherited.into());
    let router = tokio::spawn(run(settings, std::future::pending()));
    assert_eq!(Client::connect(address).await.get("/").await.0.as_u16(), 404);
    router.abort();
}
