//! One request and its answer.

use super::body::Sent;
use super::connection::Connection;
use crate::dawdle::Pace;
use crate::failure::{Failure, Why, chain};
use crate::{Answer, Kind, MAX_BODY_BYTES, MAX_POST_BYTES, MAX_READ, MAX_WAIT, Target};
use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How fast a slow reader reads, in bytes a second: a body of 1 MiB outlasts a whole switch.
const SLOW_BYTES_PER_SECOND: u64 = 2 << 20;
/// What an upload sends, and how: nine pieces in a second, so that it outlasts a whole switch.
const UPLOAD_BYTES: usize = 36 << 10;
const UPLOAD: Pace = Pace { bytes: 4 << 10, pause: Duration::from_millis(125) };

/// What is asked.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

impl Question {
    /// The `n`th question of a client of that kind. A poster's bodies are of every size up to the
    /// limit; no two in a row are alike.
    pub(super) fn of(kind: Kind, n: u64, target: &Target) -> Self {
        let path = if kind == Kind::SlowReader { "/slow" } else { &target.path }.to_owned();
        let size = match kind {
            Kind::Poster => usize::try_from(n.wrapping_mul(7919)).unwrap_or(0) % MAX_POST_BYTES,
            Kind::Upload => UPLOAD_BYTES,
            _ => return Self { method: Method::GET, path, body: Bytes::new() },
        };
        let line = format!("{n} and counting\n");
        let body = line.bytes().cycle().take(size).collect();
        Self { method: Method::POST, path, body }
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn request(&self, connection: &Connection) -> Result<Request<Sent>, Failure> {
        let body = self.body.clone();
        let body = match connection.kind {
            Kind::Upload => Sent::paced(body, UPLOAD, connection.dawdled.clone()),
            _ => Sent::at_once(body),
        };
        Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header(http::header::HOST, &connection.host)
            .body(body)
            .map_err(|error| Why::NotBegun.because(chain(&error)))
    }
}

/// Asks and reads the whole answer.
pub(crate) async fn ask(
    connection: &mut Connection,
    question: &Question,
    wished: Instant,
) -> Result<Answer, Failure> {
    let request = question.request(connection)?;
    let begun = Instant::now();
    connection.used += 1;
    let answer = timeout(MAX_WAIT, connection.sender.try_send_request(request)).await;
    let answer = answer
        .map_err(|_| Why::Late.because("no answer in time"))?
        // A request that was not sent comes back.
        .map_err(|mut error| match error.take_message() {
            Some(_) => Why::NotSent.because(chain(error.error())),
            None => Why::NoAnswer.because(chain(error.error())),
        })?;
    let to_head = wished.elapsed();
    let (head, body) = answer.into_parts();
    let slow = connection.kind == Kind::SlowReader;
    let reading = timeout(if slow { MAX_READ } else { MAX_WAIT }, read(body, slow)).await;
    let body = reading.map_err(|_| Why::Late.because("the body did not end in time"))??;
    let ended = Instant::now();
    let took = if slow { to_head } else { ended.saturating_duration_since(wished) };
    Ok(Answer {
        kind: connection.kind,
        status: head.status,
        headers: head.headers,
        body,
        begun,
        ended,
        took: took.saturating_sub(connection.dawdled.sum()),
    })
}

async fn read(mut body: Incoming, slow: bool) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let came = whole.len();
            Why::BrokeOff
                .because(format!("the body broke off after {came} bytes: {}", chain(&error)))
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        whole.extend_from_slice(&piece);
        if whole.len() > MAX_BODY_BYTES {
            let most = format!("the body is larger than {MAX_BODY_BYTES} bytes");
            return Err(Why::Wrong.because(most));
        }
        if slow {
            let pause = piece.len() as u64 * 1_000_000 / SLOW_BYTES_PER_SECOND;
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }
    Ok(whole.freeze())
}
