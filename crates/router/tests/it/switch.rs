//! One table gives way to the next while requests come in.

use crate::backend::{Backend, text};
use crate::client::{Client, get, post, whole};
use crate::harness::{DEADLINE, Router, cluster, of, one, table};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use kiln_router::Table;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A table that has both groups and gives all weight to the one that `version` is for.
fn turn(version: u64, even: &Backend, odd: &Backend) -> Table {
    let is_even = version.is_multiple_of(2);
    let groups: [(u32, &[&Backend]); 2] =
        [(u32::from(is_even), &[even]), (u32::from(!is_even), &[odd])];
    table(version, vec![cluster("a/test/web", "a.localhost", &groups)])
}

/// Keep-alive clients that never pause; each answer must be whole, and from a version that was in
/// force at some moment of the request.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<u64>>,
}

/// The version whose apply has returned, and the one whose apply was last begun.
#[derive(Default)]
struct Versions {
    applied: AtomicU64,
    begun: AtomicU64,
}

impl Load {
    fn start(
        address: SocketAddr,
        versions: &Arc<Versions>,
        request: fn() -> Request<Full<Bytes>>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (stop, versions) = (Arc::clone(&stop), Arc::clone(versions));
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut count = 0;
                while !stop.load(SeqCst) {
                    let before = versions.applied.load(SeqCst);
                    let (status, text) = whole(client.send(request()).await).await;
                    let after = versions.begun.load(SeqCst);
                    assert_eq!(status, StatusCode::OK, "{text}");
                    let sides: Vec<_> = (before..=after).map(|version| version % 2).collect();
                    assert!(sides.contains(&text.parse().unwrap()), "{text} in {before}..{after}");
                    count += 1;
                }
                count
            })
        };
        Self { clients: (0..8).map(client).collect(), stop }
    }

    async fn finish(self) -> u64 {
        self.stop.store(true, SeqCst);
        let mut count = 0;
        for client in self.clients {
            count += client.await.unwrap();
        }
        count
    }
}

async fn no_request_fails_or_sees_an_older_table(request: fn() -> Request<Full<Bytes>>) {
    let router = Router::start().await;
    let (even, odd) = (Backend::named("0").await, Backend::named("1").await);
    router.serve(&turn(0, &even, &odd)).await;
    let versions = Arc::new(Versions::default());
    let load = Load::start(router.address, &versions, request);
    for version in 1..200 {
        versions.begun.store(version, SeqCst);
        router.control.apply(&turn(version, &even, &odd)).await.unwrap();
        versions.applied.store(version, SeqCst);
        tokio::time::sleep(Duration::from_millis(version % 3)).await;
    }
    assert!(load.finish().await > 200);
    assert!(!even.seen().is_empty() && !odd.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_get_fails_or_sees_an_older_table_through_200_switches() {
    no_request_fails_or_sees_an_older_table(|| get("a.localhost", "/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_post_fails_or_sees_an_older_table_through_200_switches() {
    no_request_fails_or_sees_an_older_table(|| post("/", "small")).await;
}

/// Instances come, are removed, drained and killed for good, as in a deployment that keeps nothing.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_when_drained_instances_are_killed() {
    let router = Router::start().await;
    let mut last = Backend::named("0").await;
    router.serve(&one(1, &[&last])).await;
    let versions = Arc::new(Versions::default());
    versions.begun.store(1, SeqCst);
    let load = Load::start(router.address, &versions, || get("a.localhost", "/"));
    for round in 1..20 {
        let next = Backend::named(if round % 2 == 0 { "0" } else { "1" }).await;
        let mut both = one(round * 2, &[&last]);
        both.clusters[0].groups.extend(one(0, &[&next]).clusters.remove(0).groups);
        both.clusters[0].groups[1].weight = 0;
        router.serve(&both).await;
        router.control.apply(&one(round * 2 + 1, &[&next])).await.unwrap();
        router.until("it is drained", |status| of(status, &last).is_none()).await;
        last = next;
    }
    assert!(load.finish().await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_survive_a_change_of_table() {
    let router = Router::start().await;
    let (stays, comes) = (Backend::named("stays").await, Backend::named("comes").await);
    router.serve(&one(1, &[&stays])).await;
    let mut client = Client::connect(router.address).await;
    client.get("/").await;
    let hung = Backend::heads(|_, _| std::future::pending()).await;
    let mut next = one(2, &[&stays, &hung]);
    next.clusters[0].groups.extend(one(0, &[&comes]).clusters.remove(0).groups);
    router.control.apply(&next).await.unwrap();
    let status = router.status().await;
    assert!(of(&status, &stays).unwrap().health.takes_traffic());
    assert_eq!(status.groups.iter().map(|group| group.requests).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_started_keeps_its_instance() {
    let router = Router::start().await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let slow = Backend::with(move |_| {
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(text("slow"))
        }
    })
    .await;
    let next = Backend::named("next").await;
    router.serve(&one(1, &[&slow])).await;
    let address = router.address;
    let waiting = tokio::spawn(async move { Client::connect(address).await.get("/").await });
    router.until("it is in flight", |status| of(status, &slow).unwrap().in_flight == 1).await;
    router.serve(&one(2, &[&next])).await;
    assert_eq!(Client::connect(address).await.get("/").await.1, "next");
    go.send(true).unwrap();
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, "slow".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_stops_lets_requests_in_flight_end() {
    let router = Router::start().await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let slow = Backend::with(move |_| {
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(text("slow"))
        }
    })
    .await;
    router.serve(&one(1, &[&slow])).await;
    let mut client = Client::connect(router.address).await;
    let waiting =
        tokio::spawn(async move { whole(client.send(get("a.localhost", "/")).await).await });
    router.until("it is in flight", |status| of(status, &slow).unwrap().in_flight == 1).await;
    let address = router.address;
    let stopping = tokio::spawn(router.stop());
    let refuses = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, refuses).await.expect("it takes no connection any more");
    go.send(true).unwrap();
    assert_eq!(waiting.await.unwrap().1, "slow");
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_told_as_soon_as_something_changes() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    let seq = router.status().await.seq;
    let control = router.control.clone();
    let waiting = tokio::spawn(async move { control.status(Some(seq), DEADLINE).await.unwrap() });
    router.control.apply(&one(1, &[&backend])).await.unwrap();
    let status = waiting.await.unwrap();
    assert!(status.seq > seq);
    assert_eq!(status.version, 1);
}
