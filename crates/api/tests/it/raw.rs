//! Requests as they stand on the wire.

use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Sends a request as it stands; gives the status and the body.
pub(crate) async fn ask(data: &Path, request: &str) -> (u16, serde_json::Value) {
    let (status, body) = stream_of(data, request).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// The same for a body that is no JSON, to its end.
pub(crate) async fn stream_of(data: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(data.join("kiln.sock")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer[9..12].parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// A request with a body.
pub(crate) fn with_body(line: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// A request without one.
pub(crate) fn without_body(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}
