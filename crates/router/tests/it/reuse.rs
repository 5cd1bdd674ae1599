//! Connections to instances are kept and used again.

use crate::backend::{Backend, Body, read_head, text};
use crate::client::{Client, get, post, whole};
use crate::harness::{Router, one};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::collections::HashSet;
use std::convert::Infallible;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn in_chunks() -> Body {
    let part = |part: &'static str| Ok::<_, Infallible>(Frame::data(part.into()));
    StreamBody::new(futures_util::stream::iter(["a", "b", "c"].map(part))).boxed()
}

async fn instance() -> Backend {
    Backend::with(|seen| async move {
        match seen.uri.path() {
            "/chunks" => Response::new(in_chunks()),
            "/large" => Response::new(text(vec![b'x'; 1 << 20])),
            "/none" => Response::builder().status(204).body(text("")).unwrap(),
            _ => Response::new(text("small")),
        }
    })
    .await
}

fn head(path: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = get("a.localhost", path);
    *request.method_mut() = Method::HEAD;
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_after_another_takes_one_connection() {
    let router = Router::start().await;
    let backend = instance().await;
    router.serve(&one(1, &[&backend])).await;
    for _ in 0..3 {
        let mut client = Client::connect(router.address).await;
        for path in ["/", "/chunks", "/large", "/none"] {
            let requests = [get("a.localhost", path), head(path), post(path, "x"), post(path, "")];
            for request in requests {
                assert!(whole(client.send(request).await).await.0.is_success(), "{path}");
            }
        }
    }
    let peers: HashSet<u16> = backend.seen().iter().map(|seen| seen.peer).collect();
    assert_eq!((backend.seen().len(), peers.len()), (48, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_streamed_has_a_connection_of_its_own() {
    let router = Router::start().await;
    let backend = instance().await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for body in ["small".to_owned(), "x".repeat(100_000), "small".to_owned()] {
        assert_eq!(whole(client.send(post("/", body)).await).await.0, StatusCode::OK);
    }
    let peers: Vec<u16> = backend.seen().iter().map(|seen| seen.peer).collect();
    assert_eq!(peers[0], peers[2]);
    assert_ne!(peers[0], peers[1]);
}

/// Answers with more than it says, at once or a little later, and would go on.
async fn say_more(mut stream: TcpStream, _: String) {
    let more = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\n\
                 content-length: 4\r\n\r\nevil";
    stream.write_all(more).await.unwrap();
    while !read_head(&mut stream).await.is_empty() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_says_unasked_is_no_answer_to_the_next_request() {
    let router = Router::start().await;
    let backend = Backend::heads(say_more).await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await, (StatusCode::OK, "fine".to_owned()));
    }
    assert_eq!(backend.seen().len(), 20);
}
