//! One router takes the place of another while requests come in.

use crate::backend::{Backend, text};
use crate::client::{Client, get, post, raw, whole};
use crate::harness::{DEADLINE, Router, of, one, settings};
use http::{Response, StatusCode, header};
use kiln_router::{RouterError, Socket, leaving, run};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// Starts a router in the place of the one that has it.
fn next(router: &Router, linger: Duration) -> JoinHandle<Result<(), RouterError>> {
    let mut settings = settings(router.dir.path());
    settings.socket = Socket::HandedOver;
    settings.linger = linger;
    tokio::spawn(run(settings, std::future::pending()))
}

/// Starts the next one, and waits until it has the place: the control socket is another.
async fn succeed(router: &Router) -> JoinHandle<Result<(), RouterError>> {
    let socket = || std::fs::metadata(router.dir.path().join("r.sock")).unwrap().ino();
    let before = socket();
    let next = next(router, Duration::from_secs(20));
    let deadline = Instant::now() + DEADLINE;
    while socket() == before {
        assert!(Instant::now() < deadline, "nobody took the place");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    next
}

/// Clients that ask without pause, each on a connection for as long as it is told it may.
fn clients(address: SocketAddr, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<u64>> {
    let client = |number: u32| {
        let stop = Arc::clone(stop);
        tokio::spawn(async move {
            let (mut kept, mut count) = (None, 0);
            while !stop.load(SeqCst) {
                let mut client = match kept.take() {
                    Some(client) => client,
                    None => Client::connect(address).await,
                };
                let request =
                    if number.is_multiple_of(2) { get("a.localhost", "/") } else { post("/", "x") };
                let response = client.send(request).await;
                let last = response.headers().get(header::CONNECTION).is_some();
                assert_eq!(whole(response).await, (StatusCode::OK, "a".to_owned()));
                kept = (!last && !number.is_multiple_of(3)).then_some(client);
                count += 1;
            }
            count
        })
    };
    (0..6).map(client).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_routers_take_the_place_of_one_another() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(router.address, &stop);
    for version in 2..12 {
        drop(succeed(&router).await);
        router.serve(&one(version, &[&backend])).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_router_before_sees_the_newest_table_and_ends_with_its_next_answer() {
    let router = Router::start().await;
    let (old, new) = (Backend::named("old").await, Backend::named("new").await);
    router.serve(&one(1, &[&old])).await;
    let mut client = Client::connect(router.address).await;
    assert_eq!(client.get("/").await.1, "old");
    let _next = succeed(&router).await;
    router.serve(&one(2, &[&new])).await;
    let response = client.send(get("a.localhost", "/")).await;
    assert_eq!(response.headers()[header::CONNECTION], "close");
    assert_eq!(whole(response).await.1, "new");
    assert!(client.try_send(get("a.localhost", "/")).await.is_err());
    let path = router.dir.path().join("r.sock");
    let deadline = Instant::now() + DEADLINE;
    while !leaving(&path).await.is_empty() {
        assert!(Instant::now() < deadline, "the one before does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_router_before_has_in_flight_counts_until_it_ends() {
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
    let other = Backend::named("other").await;
    router.serve(&one(1, &[&slow])).await;
    let address = router.address;
    let waiting = tokio::spawn(async move { Client::connect(address).await.get("/").await });
    router.until("it is in flight", |status| of(status, &slow).unwrap().in_flight == 1).await;
    let _next = succeed(&router).await;
    router.serve(&one(2, &[&other])).await;
    let status = router.status().await;
    let seen = of(&status, &slow).unwrap();
    assert_eq!((seen.in_flight, seen.draining), (1, true));
    go.send(true).unwrap();
    // Told without being asked again and again: what waits for this is a drain.
    let ended = router.control.status(Some(status.seq), DEADLINE).await.unwrap();
    assert!(of(&ended, &slow).is_none(), "{ended:?}");
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, "slow".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_fails_changes_nothing() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for word in [&b""[..], b"x"] {
        let asked = router.dir.path().join("r.handover");
        let mut failing = UnixStream::connect(asked).await.unwrap();
        failing.write_all(word).await.unwrap();
        let mut offer = [0; 5];
        failing.read_exact(&mut offer).await.unwrap();
        drop(failing);
        router.control.apply(&one(2, &[&backend])).await.unwrap();
        assert_eq!(client.get("/").await.1, "a");
    }
    let response = client.send(get("a.localhost", "/")).await;
    assert!(response.headers().get(header::CONNECTION).is_none());
    assert!(leaving(&router.dir.path().join("r.sock")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_router_is_none_hands_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.socket = Socket::HandedOver;
    let error = run(settings, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, RouterError::HandOver { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_goes_on_in_the_router_before() {
    let router = Router::start().await;
    let backend = Backend::heads(|mut stream, _| async move {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: v\r\n\r\n";
        stream.write_all(switch.as_bytes()).await.unwrap();
        let mut buffer = [0; 4];
        while stream.read_exact(&mut buffer).await.is_ok() {
            stream.write_all(&buffer).await.unwrap();
        }
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let ask = "GET /chat HTTP/1.1\r\nhost: a.localhost\r\nconnection: Upgrade\r\n\
               upgrade: websocket\r\nsec-websocket-key: k\r\n\r\n";
    let (head, mut stream) = raw(router.address, ask).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let _next = succeed(&router).await;
    for word in [b"ping", b"pong"] {
        stream.write_all(word).await.unwrap();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, word);
    }
    assert_eq!(of(&router.status().await, &backend).unwrap().in_flight, 1);
    drop(stream);
    router.until("it has ended", |status| of(status, &backend).unwrap().in_flight == 0).await;
    let (_, mut other) = raw(router.address, ask).await;
    other.write_all(b"next").await.unwrap();
    let mut echo = [0; 4];
    other.read_exact(&mut echo).await.unwrap();
}
