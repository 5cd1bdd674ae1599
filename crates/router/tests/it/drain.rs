//! What counts as in flight, and for how long.

use crate::backend::{Backend, text};
use crate::client::{Client, get, post, raw};
use crate::harness::{Router, cluster, of, one, table};
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use kiln_router::Health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than sockets and buffers on the way hold.
const LARGE: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_keeps_its_request_in_flight_until_the_body_has_ended() {
    let router = Router::start().await;
    let backend = Backend::with(|_| async { Response::new(text(vec![b'x'; LARGE])) }).await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    let response = client.send(get("a.localhost", "/")).await;
    router.control.apply(&table(2, Vec::new())).await.unwrap();
    let status = router.status().await;
    let draining = of(&status, &backend).unwrap();
    assert_eq!((draining.in_flight, draining.draining), (1, true));
    assert!(status.groups.is_empty());
    let mut body = response.into_body();
    let mut length = 0;
    while length < LARGE / 2 {
        length += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    assert_eq!(of(&router.status().await, &backend).unwrap().in_flight, 1);
    length += body.collect().await.unwrap().to_bytes().len();
    assert_eq!(length, LARGE);
    router.until("it is drained", |status| of(status, &backend).is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_in_flight_no_longer() {
    let router = Router::start().await;
    let backend = Backend::with(|_| std::future::pending()).await;
    router.serve(&one(1, &[&backend])).await;
    let client = TcpStream::connect(router.address).await.unwrap();
    let (mut reading, mut writing) = client.into_split();
    writing.write_all(b"GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n").await.unwrap();
    router.until("it is in flight", |status| of(status, &backend).unwrap().in_flight == 1).await;
    drop(writing);
    assert_eq!(reading.read(&mut [0; 16]).await.unwrap(), 0);
    router.until("it is not", |status| of(status, &backend).unwrap().in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_comes_back_while_it_drains_takes_traffic_again() {
    let router = Router::start().await;
    let backend = Backend::with(|seen| async move {
        let large = seen.uri.path() == "/large";
        Response::new(text(vec![b'x'; if large { LARGE } else { 1 }]))
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    let response = client.send(get("a.localhost", "/large")).await;
    router.control.apply(&table(2, Vec::new())).await.unwrap();
    router.control.apply(&one(3, &[&backend])).await.unwrap();
    let status = router.status().await;
    let back = of(&status, &backend).unwrap();
    assert_eq!((back.in_flight, back.draining, back.health), (1, false, Health::Healthy));
    assert_eq!(Client::connect(router.address).await.get("/").await.1, "x");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), LARGE);
    backend.set_health(500);
    router
        .until("it is checked again", |status| {
            of(status, &backend).unwrap().health == Health::Unhealthy
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_of_an_instance_that_leaves_are_closed() {
    let router = Router::start().await;
    let (closed, mut is_closed) = tokio::sync::watch::channel(false);
    let backend = Backend::heads(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
            closed.send_replace(stream.read(&mut [0; 16]).await.unwrap() == 0);
        }
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    Client::connect(router.address).await.get("/").await;
    assert!(!*is_closed.borrow());
    router.control.apply(&table(2, Vec::new())).await.unwrap();
    is_closed.wait_for(|closed| *closed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_at_once() {
    let router = Router::start().await;
    let backend = Backend::raw(|request, _| async {
        let frames = request.into_body().map_err(|error| panic!("{error}"));
        Response::new(frames.boxed())
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let text = "POST / HTTP/1.1\r\nhost: a.localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let (head, mut stream) = raw(router.address, text).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for round in 0..3 {
        stream.write_all(format!("1\r\n{round}\r\n").as_bytes()).await.unwrap();
        let mut chunk = [0; 6];
        stream.read_exact(&mut chunk).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&chunk), format!("1\r\n{round}\r\n"));
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut end = [0; 5];
    stream.read_exact(&mut end).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    router.until("it is over", |status| of(status, &backend).unwrap().in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_arrives_whole() {
    let router = Router::start().await;
    let backend = Backend::with(|seen| async move {
        Response::new(text(format!("{} {}", seen.method, seen.body.len())))
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for size in [0, 1, 65_536, 65_537, 8 << 20] {
        let response = client.send(post("/", Bytes::from(vec![b'x'; size]))).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("POST {size}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_its_instance_cuts_short_is_cut_for_the_client_and_counted() {
    let router = Router::start().await;
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let backend = Backend::heads(move |mut stream, _| {
        let mut is_cut = is_cut.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
            is_cut.wait_for(|cut| *cut).await.unwrap();
        }
    })
    .await;
    router.serve(&table(1, vec![cluster("a/test/web", "a.localhost", &[(1, &[&backend])])])).await;
    let response = Client::connect(router.address).await.send(get("a.localhost", "/")).await;
    cut.send(true).unwrap();
    response.into_body().collect().await.unwrap_err();
    let status = router.until("it is over", |status| status.groups[0].in_flight == 0).await;
    assert_eq!((status.groups[0].statuses[1], status.groups[0].broken), (1, 1));
}
