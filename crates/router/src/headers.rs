//! Which headers pass through, which end here, and which are set anew.

use http::header::{
    self, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Response, StatusCode};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const WEBSOCKET: &str = "websocket";

/// Meant for one connection alone (RFC 9110 §7.6.1), so that they end here. `Transfer-Encoding` is
/// not among them for requests: hyper reads from it that a body of unknown size follows.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// What a client's `Connection` header may not take from a request: its framing and its target.
const KEPT: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// The value of `X-Forwarded-For` for a client: made once for a connection.
pub(crate) fn forwarded_for(client: IpAddr) -> HeaderValue {
    HeaderValue::try_from(client.to_canonical().to_string())
        .expect("an address has only visible characters")
}

/// What the router alone says of a request: whose it is and for which host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) client: &'a HeaderValue,
    pub(crate) host: &'a HeaderValue,
}

impl Said<'_> {
    /// As headers. They are written behind a client's and not put among them, which is cheaper.
    pub(crate) fn lines(&self) -> [(HeaderName, HeaderValue); 3] {
        [
            (FORWARDED_FOR, self.client.clone()),
            (FORWARDED_PROTO, const { HeaderValue::from_static("http") }),
            (FORWARDED_HOST, self.host.clone()),
        ]
    }
}

/// Makes a client's headers ready for an instance: what [`Said`] says is not there any more. An `Expect: 100-continue` ends here too, as hyper answers it when the body
/// is first read.
pub(crate) fn to_instance(headers: &mut HeaderMap) {
    end_hop(headers);
    if headers.keys().any(is_claim) {
        let claims: Vec<HeaderName> =
            headers.keys().filter(|name| is_claim(name)).cloned().collect();
        claims.iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// Makes an instance's headers ready for a client.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    end_hop(headers);
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // With both, the encoding was believed, and the length is a lie (RFC 9112 §6.3).
        headers.remove(CONTENT_LENGTH);
    }
}

/// Says to the client, if so, that no answer comes after this one on its connection. One that goes on
/// as a web socket is no answer yet.
pub(crate) fn last_if<B>(last: bool, mut answer: Response<B>) -> Response<B> {
    if last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(CONNECTION, const { HeaderValue::from_static("close") });
    }
    answer
}

/// Whether a client asks to go on as a web socket.
pub(crate) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case(WEBSOCKET))
}

/// Says on this hop that the connection goes on as a web socket.
pub(crate) fn go_on_as_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, const { HeaderValue::from_static("upgrade") });
    headers.insert(UPGRADE, const { HeaderValue::from_static(WEBSOCKET) });
}

/// Removes what is meant for the hop it came over, and what `Connection` names as such.
fn end_hop(headers: &mut HeaderMap) {
    // Most messages have none of these; looking over the names is cheaper than seven removals.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let named = |token: &str| HeaderName::try_from(token).ok();
    let nominated: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(named).collect();
    nominated.iter().filter(|name| !KEPT.contains(name)).for_each(|name| {
        headers.remove(name);
    });
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}

/// Whether a header says what only the router may say, or ends here for a request.
fn is_claim(name: &HeaderName) -> bool {
    *name == FORWARDED || *name == EXPECT || name.as_str().starts_with("x-forwarded-")
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(pair).collect()
    }

    fn check(
        change: impl Fn(&mut HeaderMap),
        given: &[(&'static str, &'static str)],
        expected: &[(&'static str, &'static str)],
    ) {
        let mut headers = map(given);
        change(&mut headers);
        assert_eq!(headers, map(expected));
    }

    fn forward(headers: &mut HeaderMap) {
        let client = forwarded_for("::ffff:10.1.2.3".parse().unwrap());
        let host = HeaderValue::from_static("a.localhost:8000");
        to_instance(headers);
        headers.extend(Said { client: &client, host: &host }.lines());
    }

    const SET: [(&str, &str); 3] = [
        ("x-forwarded-for", "10.1.2.3"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "a.localhost:8000"),
    ];

    #[test]
    fn what_a_client_claims_about_itself_is_replaced() {
        let claims = [
            ("accept", "*/*"),
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-port", "443"),
            ("expect", "100-continue"),
        ];
        check(forward, &claims, &[&[("accept", "*/*")], &SET[..]].concat());
    }

    #[test]
    fn headers_of_the_hop_and_those_that_connection_names_end_here() {
        let hop = [
            ("connection", "keep-alive, x-secret"),
            ("connection", "X-Forwarded-For"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-secret", "1"),
            ("x-kept", "1"),
        ];
        check(forward, &hop, &[&[("x-kept", "1")], &SET[..]].concat());
    }

    #[test]
    fn connection_cannot_take_a_requests_framing_or_host() {
        let given =
            [("connection", "host, content-length"), ("host", "a"), ("content-length", "3")];
        let kept = [("host", "a"), ("content-length", "3")];
        check(forward, &given, &[&kept, &SET[..]].concat());
    }

    #[test]
    fn an_answers_framing_is_made_anew() {
        let given = [
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("connection", "close"),
            ("date", "now"),
            ("server", "theirs"),
        ];
        check(to_client, &given, &[("date", "now"), ("server", "theirs")]);
        check(to_client, &[("content-length", "3")], &[("content-length", "3")]);
    }

    #[test]
    fn only_a_web_socket_is_an_upgrade() {
        let asks = |lines: &[(&'static str, &'static str)]| asks_for_websocket(&map(lines));
        assert!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
        assert!(!asks(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!asks(&[("upgrade", "websocket")]));
    }
}
