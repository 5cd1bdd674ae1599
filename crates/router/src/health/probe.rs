//! One check: a connection of its own, and what is asked on it.

use crate::body::RequestBody;
use crate::table::CheckKind;
use crate::upstream::{Answer, Link};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How much of a failing answer is kept to be shown.
const SHOWN_BYTES: usize = 200;

/// What a check found.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) passed: bool,
    /// For people: what was asked and what came.
    pub(super) text: String,
}

/// Asks once.
pub(super) async fn ask(
    address: SocketAddr,
    kind: CheckKind,
    path: &str,
    timeout: Duration,
) -> Outcome {
    let asked = match kind {
        CheckKind::Http => format!("GET {path}"),
        CheckKind::Tcp => format!("connect to {}", address.port()),
    };
    let answer = async {
        match kind {
            CheckKind::Http => answer(address, path).await,
            CheckKind::Tcp => connect(address).await,
        }
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok((passed, answer))) => Outcome { passed, text: format!("{asked} → {answer}") },
        Ok(Err(reason)) => Outcome { passed: false, text: format!("{asked} → {reason}") },
        Err(_) => {
            Outcome { passed: false, text: format!("{asked} → no answer within {timeout:?}") }
        }
    }
}

/// That somebody accepts is all that is asked.
async fn connect(address: SocketAddr) -> Result<(bool, String), String> {
    let connected = TcpStream::connect(address).await;
    connected.map(|_| (true, "accepted".to_owned())).map_err(|error| describe_io(&error))
}

/// 2xx and 3xx pass.
async fn answer(address: SocketAddr, path: &str) -> Result<(bool, String), String> {
    let link = Link::open(address).await.map_err(|error| describe_io(&error))?;
    let response = link
        .send(&mut request(address, path)?, None)
        .await
        .map_err(|failed| format!("no answer: {}", failed.error))?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok((true, status.to_string()));
    }
    Ok((false, describe(status, &beginning(response.into_body()).await)))
}

fn request(address: SocketAddr, path: &str) -> Result<Request<RequestBody>, String> {
    let host = HeaderValue::try_from(address.to_string()).map_err(|error| error.to_string())?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "kiln-router")
        .header(header::CONNECTION, "close");
    request.body(RequestBody::Empty).map_err(|error| error.to_string())
}

/// The kind's own words where they say it all, without the number that the system adds.
fn describe_io(error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    match error.kind() {
        kind @ (ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable) => {
            kind.to_string()
        }
        _ => error.to_string(),
    }
}

fn describe(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.trim() {
        "" => status.to_string(),
        text => format!("{status}: {text}"),
    }
}

/// The first bytes of a body, as far as they come without an error.
async fn beginning(answer: Answer) -> Vec<u8> {
    let mut body = match answer {
        Answer::Whole(bytes, _) => return bytes[..bytes.len().min(SHOWN_BYTES)].to_vec(),
        Answer::Streamed(body) => body,
    };
    let mut kept = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        kept.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if kept.len() >= SHOWN_BYTES {
            break;
        }
    }
    kept.truncate(SHOWN_BYTES);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_answer_is_shown_on_one_line() {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        assert_eq!(describe(status, b""), "500 Internal Server Error");
        assert_eq!(describe(status, b"no\ndisk\r\n"), "500 Internal Server Error: no disk");
    }
}
