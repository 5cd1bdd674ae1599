//! When a request is sent again, and when it must not be.

use crate::backend::{Backend, read_head};
use crate::client::{Client, get, post, whole};
use crate::harness::{Router, one};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";

/// Answers once and closes the idle connection, as servers with short keep-alive times do.
async fn answer_and_close(mut stream: TcpStream, _: String) {
    stream.write_all(ANSWER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_that_was_closed_costs_no_request() {
    let router = Router::start().await;
    let backend = Backend::heads(answer_and_close).await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..50 {
        assert_eq!(client.get("/").await, (StatusCode::OK, "fine".to_owned()));
    }
    assert_eq!(backend.seen().len(), 50);
}

/// Takes every second request on a connection and dies without a word.
async fn answer_then_die(mut stream: TcpStream, _: String) {
    stream.write_all(ANSWER).await.unwrap();
    if !read_head(&mut stream).await.is_empty() {
        // Gone without an answer; what was read counts as taken.
        drop(stream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_without_an_answer_is_sent_again() {
    let router = Router::start().await;
    let backend = Backend::heads(answer_then_die).await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await, (StatusCode::OK, "fine".to_owned()));
    }
    let put = Request::put("/").header("host", "a.localhost").body(Full::from("small")).unwrap();
    assert_eq!(whole(client.send(put).await).await.0, StatusCode::OK);
}

/// Reads a request whole and dies.
async fn read_and_die(mut stream: TcpStream, head: String) {
    if head.starts_with("POST") {
        stream.read_exact(&mut [0; 5]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_sent_is_never_sent_again() {
    let router = Router::start().await;
    let (one_, two) = (Backend::heads(read_and_die).await, Backend::heads(read_and_die).await);
    router.serve(&one(1, &[&one_, &two])).await;
    let mut client = Client::connect(router.address).await;
    for round in 1..=10 {
        let (status, _) = whole(client.send(post("/", "small")).await).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert_eq!(one_.seen().len() + two.seen().len(), round);
    }
    let status = router.status().await;
    assert_eq!((status.groups[0].requests, status.groups[0].statuses[4]), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_nobody_answers_is_offered_three_times() {
    let router = Router::start().await;
    let backend = Backend::heads(read_and_die).await;
    router.serve(&one(1, &[&backend])).await;
    let (status, text) = Client::connect(router.address).await.get("/").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.ends_with(" gave no answer.\n"), "{text}");
    assert_eq!(backend.seen().len(), 3);
}

/// Begins an answer that is none.
async fn babble(mut stream: TcpStream, _: String) {
    stream.write_all(b"SMTP ready\r\n\r\n").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_whose_answer_had_begun_is_not_sent_again() {
    let router = Router::start().await;
    let backend = Backend::heads(babble).await;
    router.serve(&one(1, &[&backend])).await;
    let (status, _) = Client::connect(router.address).await.get("/").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_nobody_listening_goes_to_another_instance() {
    let router = Router::start().await;
    let (gone, there) = (Backend::named("gone").await, Backend::named("there").await);
    let mut table = one(1, &[&gone, &there]);
    for instance in &mut table.clusters[0].groups[0].instances {
        instance.check.interval = kiln_names::Span::seconds(3600);
    }
    router.serve(&table).await;
    gone.close().await;
    let mut client = Client::connect(router.address).await;
    for body in ["", "small", &"x".repeat(100_000)] {
        for _ in 0..5 {
            let (status, text) = whole(client.send(post("/", body.to_owned())).await).await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, "there"));
        }
    }
    assert_eq!(whole(client.send(get("a.localhost", "/")).await).await.1, "there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_could_not_be_connected_to_is_left_alone_until_a_check_passes() {
    let router = Router::start().await;
    let (gone, there) = (Backend::named("gone").await, Backend::named("there").await);
    let mut table = one(1, &[&gone, &there]);
    for instance in &mut table.clusters[0].groups[0].instances {
        instance.check.interval = kiln_names::Span::seconds(3600);
    }
    router.serve(&table).await;
    let address = gone.address;
    gone.close().await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..40 {
        assert_eq!(client.get("/").await.1, "there");
    }
    let back = tokio::net::TcpListener::bind(address).await.unwrap();
    for _ in 0..40 {
        assert_eq!(client.get("/").await.1, "there");
    }
    assert!(back.accept().now_or_never().is_none());
}
