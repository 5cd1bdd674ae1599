//! Web sockets: a connection that goes on as something else.

use crate::backend::{Backend, read_head};
use crate::client::raw;
use crate::harness::{Router, of, one};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a.localhost\r\nconnection: keep-alive, Upgrade\r\n\
                   upgrade: WebSocket\r\nsec-websocket-key: k\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_carried_and_in_flight_until_it_ends() {
    let router = Router::start().await;
    let backend = Backend::heads(|mut stream, head| async move {
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("connection: upgrade\r\n"), "{head}");
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: v\r\n\r\nfirst";
        stream.write_all(switch.as_bytes()).await.unwrap();
        let mut buffer = [0; 4];
        while stream.read_exact(&mut buffer).await.is_ok() {
            stream.write_all(&buffer).await.unwrap();
        }
    })
    .await;
    router.serve(&one(1, &[&backend])).await;
    let (head, mut stream) = raw(router.address, ASK).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: v\r\n"), "{head}");
    let mut first = [0; 5];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"first");
    for word in [b"ping", b"pong"] {
        stream.write_all(word).await.unwrap();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, word);
    }
    assert_eq!(of(&router.status().await, &backend).unwrap().in_flight, 1);
    drop(stream);
    router.until("it has ended", |status| of(status, &backend).unwrap().in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_may_decline_a_web_socket() {
    let router = Router::start().await;
    let backend = Backend::named("no").await;
    router.serve(&one(1, &[&backend])).await;
    let (head, mut stream) = raw(router.address, ASK).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut body = [0; 2];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"no");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
}
