//! Calls that tell somebody what happens: tried until they are answered.

use super::{Told, held};
use crate::wiring::http::{Answer, call};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use kiln_deploy::ports::{Notice, Token};
use kiln_names::{SecretValue, SecretVersions};
use kiln_secrets::Vault;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The first pause between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a receiver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// How much is read of an answer, and how many of its lines are kept.
const READ: usize = 4 << 10;
const FIRST_LINES: usize = 10;
/// What a receiver says that is there, and cannot take it now.
const NOT_NOW: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The value of a secret, as it goes out; and what takes it out of what comes back.
struct Bearer(Option<SecretValue>);

/// Makes a call, again and again until it is answered; whoever waits for it drops it in the end.
pub(super) async fn deliver(notice: Notice, secrets: Vault, told: Arc<Mutex<Told>>) {
    let end = match bearer(&secrets, notice.token.as_ref()).await {
        Ok(bearer) => attempts(&notice, &bearer, &told).await,
        Err(why) => (false, why),
    };
    held(&told).end = Some(end);
}

async fn attempts(notice: &Notice, bearer: &Bearer, told: &Mutex<Told>) -> (bool, String) {
    let (mut pause, mut attempt) = (FIRST_PAUSE, 1);
    loop {
        let request = match request(notice, bearer) {
            Ok(request) => request,
            Err(why) => return (false, why),
        };
        let (why, asked) = match call(request, READ).await {
            Ok(answer) if NOT_NOW.contains(&answer.status) => {
                (format!("answered {}", answer.status), asked(&answer.headers))
            }
            Ok(answer) => return judged(&answer, attempt, bearer, told),
            Err(why) => (why, None),
        };
        held(told).say(&format!("try {attempt}: {why}"));
        tokio::time::sleep(asked.unwrap_or_default().max(pause)).await;
        (pause, attempt) = ((pause * 2).min(LONGEST_PAUSE), attempt + 1);
    }
}

/// What an answer means that is one.
fn judged(answer: &Answer, attempt: u32, bearer: &Bearer, told: &Mutex<Told>) -> (bool, String) {
    let Answer { status, headers, body, whole } = answer;
    let at = if attempt == 1 { String::new() } else { format!(" at try {attempt}") };
    if status.is_success() {
        // What it says beside is nobody's business here.
        return (true, format!("answered {status}{at}"));
    }
    let mut told = held(told);
    bearer.removed(body, *whole).lines().take(FIRST_LINES).for_each(|line| told.say(line));
    let to = headers.get(LOCATION).filter(|_| status.is_redirection());
    let redirect = to.map(|to| {
        let to: String = bearer.removed(to.as_bytes(), true).chars().take(200).collect();
        format!(", which leads to {to}: redirects are not followed, name the address itself")
    });
    (false, format!("answered {status}{at}{}", redirect.unwrap_or_default()))
}

/// How long a receiver asks to be left alone.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_ASKED))
}

fn request(notice: &Notice, bearer: &Bearer) -> Result<Request<Full<bytes::Bytes>>, String> {
    let Notice { call, id, body, .. } = notice;
    let mut request = Request::builder()
        .method(call.method.as_str())
        .uri(call.url.as_str())
        .header(USER_AGENT, concat!("kiln/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    request = request.header(CONTENT_TYPE, "application/json").header(IDEMPOTENCY_KEY, id);
    if let Some(value) = bearer.header() {
        request = request.header(AUTHORIZATION, value);
    }
    let body = Full::new(body.to_string().into());
    request.body(body).map_err(|error| format!("the call cannot be made: {error}"))
}

async fn bearer(secrets: &Vault, token: Option<&Token>) -> Result<Bearer, String> {
    let Some(Token { app, env, name, version }) = token else { return Ok(Bearer(None)) };
    let versions = SecretVersions::from([(name.clone(), *version)]);
    let opened = secrets.open_all(app, env, &versions).await;
    let opened = opened.map_err(|error| format!("failed to open {name}@{version}: {error}"))?;
    let bearer = Bearer(opened.into_iter().next());
    match bearer.header() {
        Some(_) => Ok(bearer),
        None => Err(format!("{name}@{version} is no token: one line of ASCII is wanted")),
    }
}

// === impl Bearer ===

impl Bearer {
    /// The value, without the new line that most tools end a file with.
    fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(self.0.as_ref()?.as_ref()).ok()?;
        Some(text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty() && text.is_ascii())
    }

    fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.text()?)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// What somebody answered, without the value: there are receivers that repeat what they get. Of
    /// an answer that was cut off, the end may be a part of it.
    fn removed(&self, answer: &[u8], whole: bool) -> String {
        let answer = String::from_utf8_lossy(answer);
        let Some(value) = self.text() else { return answer.into_owned() };
        let removed = answer.replace(value, "…");
        let mut parts = (1..value.len()).rev().filter_map(|end| value.get(..end));
        let part = parts.find(|part| !whole && removed.ends_with(part));
        removed.strip_suffix(part.unwrap_or_default()).unwrap_or(&removed).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(value: &str) -> Bearer {
        Bearer(Some(SecretValue::new(value.into()).unwrap()))
    }

    #[test]
    fn a_value_that_an_answer_repeats_is_taken_out_of_it() {
        let check = |answer: &str, whole, expected: &str| {
            assert_eq!(bearer("hunter2\n").removed(answer.as_bytes(), whole), expected);
        };
        check("hunter2 and hunter2", true, "… and …");
        check("no such token: hunt", true, "no such token: hunt");
        check("no such token: hunt", false, "no such token: ");
        check("no such token: hunter2", false, "no such token: …");
    }

    #[test]
    fn a_value_that_no_header_can_carry_is_no_token() {
        assert_eq!(bearer("hunter2\r\n").header().unwrap(), "Bearer hunter2");
        for value in ["\n", "a\nb", "a\0b", "\u{7f}", "ä"] {
            assert!(bearer(value).header().is_none(), "{value:?}");
        }
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
        let check = |value: &str, expected: Option<u64>| {
            let value = HeaderValue::from_str(value).unwrap();
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
            assert_eq!(asked(&headers).map(|time| time.as_secs()), expected);
        };
        check("7", Some(7));
        check("86400", Some(60));
        check("Fri, 31 Dec 2027 23:59:59 GMT", None);
    }
}
