//! One request and its answer.

use super::connection::Connection;
use crate::{Answer, Kind, MAX_BODY_BYTES, MAX_POST_BYTES, MAX_READ, MAX_WAIT};
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How fast a slow reader reads, in bytes a second: a body of 1 MiB outlasts a whole switch.
const SLOW_BYTES_PER_SECOND: u64 = 2 << 20;

/// What is asked.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

impl Question {
    /// The `n`th question of a client of that kind. Bodies are of every size up to the limit, and no
    /// two in a row are alike.
    pub(super) fn of(kind: Kind, n: u64) -> Self {
        let path = kind.path().to_owned();
        if kind != Kind::Poster {
            return Self { method: Method::GET, path, body: Bytes::new() };
        }
        let size = usize::try_from(n.wrapping_mul(7919)).unwrap_or(0) % MAX_POST_BYTES;
        let line = format!("{n} and counting\n");
        let body = line.bytes().cycle().take(size).collect();
        Self { method: Method::POST, path, body }
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Asks and reads the whole answer.
pub(crate) async fn ask(
    connection: &mut Connection,
    question: &Question,
    wished: Instant,
) -> Result<Answer, String> {
    let request = Request::builder()
        .method(&question.method)
        .uri(&question.path)
        .header(http::header::HOST, &connection.host)
        .body(Full::new(question.body.clone()))
        .map_err(|error| chain(&error))?;
    let begun = Instant::now();
    connection.used += 1;
    let answer = timeout(MAX_WAIT, connection.sender.send_request(request));
    let answer = answer.await.map_err(|_| "no answer in time")?.map_err(|error| chain(&error))?;
    let to_head = wished.elapsed();
    let (head, body) = answer.into_parts();
    let slow = connection.kind == Kind::SlowReader;
    let reading = timeout(if slow { MAX_READ } else { MAX_WAIT }, read(body, slow));
    let body = reading.await.map_err(|_| "the body did not end in time")??;
    Ok(Answer {
        kind: connection.kind,
        status: head.status,
        headers: head.headers,
        body,
        begun,
        ended: Instant::now(),
        took: if slow { to_head } else { wished.elapsed() },
    })
}

async fn read(mut body: Incoming, slow: bool) -> Result<Bytes, String> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            format!("the body broke off after {} bytes: {}", whole.len(), chain(&error))
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        whole.extend_from_slice(&piece);
        if whole.len() > MAX_BODY_BYTES {
            return Err(format!("the body is larger than {MAX_BODY_BYTES} bytes"));
        }
        if slow {
            let pause = piece.len() as u64 * 1_000_000 / SLOW_BYTES_PER_SECOND;
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }
    Ok(whole.freeze())
}

/// An error and what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
