//! Heads and framing: what instances and clients get to see.

use crate::backend::{Backend, text};
use crate::client::{Client, get, raw, rest};
use crate::harness::{Router, one};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_sees_the_client_as_the_router_saw_it() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let request = Request::get("/x?y=1")
        .header("host", "A.localhost:8000")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-host", "evil")
        .header("x-forwarded-port", "1")
        .header("forwarded", "for=6.6.6.6")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=9")
        .header("te", "gzip")
        .header("upgrade", "h2c")
        .header("x-end", "1");
    let request = request.body(Full::default()).unwrap();
    assert_eq!(Client::connect(router.address).await.send(request).await.status(), StatusCode::OK);
    let seen = backend.seen().pop().unwrap();
    assert_eq!(seen.uri, "/x?y=1");
    let mut names: Vec<_> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = ["host", "x-end", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
    assert_eq!(names, expected);
    assert_eq!(seen.headers["host"], "A.localhost:8000");
    assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen.headers["x-forwarded-host"], "A.localhost:8000");
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_the_answer_without_what_was_meant_for_the_router() {
    let router = Router::start().await;
    let backend = Backend::with(|_| async {
        let mut response = Response::new(text("made"));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        for (name, value) in
            [("connection", "x-hop"), ("x-hop", "1"), ("server", "theirs"), ("date", "then")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let response = Client::connect(router.address).await.send(get("a.localhost", "/")).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let mut names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "server"]);
    assert_eq!(
        (&response.headers()["server"], &response.headers()["date"]),
        (&HeaderValue::from_static("theirs"), &HeaderValue::from_static("then"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_keep_their_length_and_their_connection() {
    let router = Router::start().await;
    let backend = Backend::with(|seen| async move {
        let mut response = Response::new(text("12345"));
        match seen.uri.path() {
            "/none" => {
                *response.status_mut() = StatusCode::NO_CONTENT;
                *response.body_mut() = text("");
            }
            "/same" => {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                *response.body_mut() = text("");
            }
            _ => {}
        }
        response
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..3 {
        let mut head = get("a.localhost", "/");
        *head.method_mut() = Method::HEAD;
        let response = client.send(head).await;
        assert_eq!(response.headers()["content-length"], "5");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        for (path, status) in [("/none", 204), ("/same", 304), ("/", 200)] {
            assert_eq!(client.get(path).await.0.as_u16(), status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_two_meanings_are_refused() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a.localhost\r\nhost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost : a.localhost\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "400",
        ),
        ("POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: +1\r\n\r\nx", "400"),
        ("POST / HTTP/1.1\r\nhost: a.localhost\r\ntransfer-encoding: chunked, gzip\r\n\r\n", "400"),
        ("CONNECT a.localhost:80 HTTP/1.1\r\nhost: a.localhost\r\n\r\n", "501"),
    ] {
        let (head, _) = raw(router.address, request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request} {head}");
    }
    let many = format!("GET / HTTP/1.1\r\nhost: a.localhost\r\n{}\r\n", "x: y\r\n".repeat(200));
    let long = format!("GET / HTTP/1.1\r\nhost: a.localhost\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    for request in [many, long] {
        assert!(raw(router.address, &request).await.0.starts_with("HTTP/1.1 431"));
    }
    assert!(backend.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_does_not_reach_the_instance() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let text = "POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 4\r\n\
                transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\
                host: a.localhost\r\n\r\n";
    let (head, stream) = raw(router.address, text).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    rest(stream).await;
    let seen = backend.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(&seen[0].body[..], b"x");
    assert!(!seen[0].headers.contains_key("content-length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_send_its_body_is_told_to_go_on() {
    let router = Router::start().await;
    let backend = Backend::with(|seen| async move { Response::new(text(seen.body)) }).await;
    router.serve(&one(1, &[&backend])).await;
    let text = "POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 5\r\n\
                expect: 100-continue\r\nconnection: close\r\n\r\n";
    let (head, mut stream) = raw(router.address, text).await;
    assert_eq!(head, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let unknown = text.replace("a.localhost", "b.localhost");
    let (head, _) = raw(router.address, &unknown).await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_its_answer_until_the_end_of_the_connection() {
    let router = Router::start().await;
    let backend = Backend::raw(|_, _| async {
        let stream =
            futures_util::stream::iter(["a", "b"].map(|part| {
                Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(part.into()))
            }));
        Response::new(http_body_util::StreamBody::new(stream).boxed())
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let (head, mut stream) =
        raw(router.address, "GET / HTTP/1.0\r\nhost: a.localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    assert!(!head.contains("chunked"), "{head}");
    let mut body = String::new();
    stream.read_to_string(&mut body).await.unwrap();
    assert_eq!(body, "ab");
}
