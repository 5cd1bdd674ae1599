//! The token that opens the API over TCP.

use crate::handlers::registry;
use crate::refusal::Refusal;
use crate::request::PlainRefusal;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiln_names::Digest;
use kiln_protocol::{Code, paths};
use std::sync::Arc;

/// Where git asks.
const GIT: &str = "/git/";

/// Who is at the door. For programs that know nothing else the token may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Api,
    Git,
    Registry,
}

impl Door {
    fn of(path: &str) -> Self {
        if path.starts_with(GIT) {
            Self::Git
        } else if registry::is_registry(path) {
            Self::Registry
        } else {
            Self::Api
        }
    }
}

/// What a request shows to be let in.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    /// The token itself.
    Bearer(String),
    /// The token as a password. (RFC 7617)
    Basic { user: String, password: String },
}

/// Lets a request through when it carries the token.
pub(crate) async fn check(
    State(token): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let door = Door::of(request.uri().path());
    let given = match Credentials::of(request.headers()) {
        Some(Credentials::Bearer(given)) => Some(given),
        Some(Credentials::Basic { password, .. }) if door != Door::Api => Some(password),
        _ => None,
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let pulls = |given: &str| door == Door::Registry && reads && same(given, &pull_token(&token));
    let routes = is_routers_own(request.uri().path());
    let routes = |given: &str| routes && same(given, &router_token(&token));
    match given {
        Some(given) if same(&given, &token) || pulls(&given) || routes(&given) => {
            Ok(next.run(request).await)
        }
        Some(_) => Err(refused(door, "the token is not the right one")),
        None => Err(refused(door, "a token is needed here")),
    }
}

/// The token that opens the registry for reading and nothing else: for machines that pull images, each
/// of which keeps it. Made from the token, so that it lasts as long and nobody has to keep it.
#[must_use]
pub fn pull_token(token: &str) -> String {
    Digest::of(format!("kiln registry, to pull: {token}").as_bytes()).hex()
}

/// The token that lets a router on another machine come for its table and say how it does, and does
/// nothing else. Made from the token like the one that pulls.
#[must_use]
pub fn router_token(token: &str) -> String {
    Digest::of(format!("kiln router, to join: {token}").as_bytes()).hex()
}

/// What routers on other machines ask: `/v1/routers/NAME/table` and `/v1/routers/NAME/status`.
fn is_routers_own(path: &str) -> bool {
    let below = path.strip_prefix(paths::ROUTERS).and_then(|rest| rest.strip_prefix('/'));
    let what = below.and_then(|rest| rest.split_once('/')).map(|(_, what)| what);
    matches!(what, Some("table" | "status"))
}

/// The name that git was told to log in with. Any will do: the token opens.
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    match Credentials::of(headers)? {
        Credentials::Basic { user, .. } => Some(user),
        Credentials::Bearer(_) => None,
    }
}

impl Credentials {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
    }

    fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Compares in a time that depends on neither text: hashes of equal length, to their end.
fn same(one: &str, other: &str) -> bool {
    let (one, other) = (Digest::of(one.as_bytes()).hex(), Digest::of(other.as_bytes()).hex());
    let differing = |(one, other): (u8, u8)| one ^ other;
    one.bytes().zip(other.bytes()).map(differing).fold(0, std::ops::BitOr::bitor) == 0
}

/// Says no, and in which form the token is wanted. Only git and registry clients are invited to send a
/// password: a browser that had one would send it along with requests that other sites make.
fn refused(door: Door, detail: &str) -> Response {
    let refusal = Refusal::new(Code::Unauthorized, detail);
    let (mut response, scheme) = match door {
        Door::Registry => return registry::unauthorized(detail).into_response(),
        Door::Git => {
            let hint = "the password is the API's token; kiln config url says how to give it.";
            (PlainRefusal::from(refusal.hint(hint)).into_response(), "Basic realm=\"Kiln\"")
        }
        Door::Api => {
            let hint =
                "--token or KILN_TOKEN: what admin.token in the server's data directory holds.";
            (refusal.hint(hint).into_response(), "Bearer")
        }
    };
    let scheme = HeaderValue::from_static(scheme);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same("secret", "secret"));
        for other in ["", "secre", "secret ", "Secret", "secrets"] {
            assert!(!same(other, "secret"), "{other}");
        }
    }

    #[test]
    fn routers_ask_for_their_table_and_tell_their_status_and_nothing_else() {
        for path in ["/v1/routers/edge-1/table", "/v1/routers/edge-1/status"] {
            assert!(is_routers_own(path), "{path}");
        }
        for path in
            ["/v1/routers", "/v1/routers/edge-1", "/v1/routers/a/b/table", "/v1/apps/a/table"]
        {
            assert!(!is_routers_own(path), "{path}");
        }
    }

    #[test]
    fn a_token_stands_behind_its_scheme_or_is_a_password() {
        let bearer = |token: &str| Some(Credentials::Bearer(token.to_owned()));
        let basic = |user: &str, password: &str| {
            let (user, password) = (user.to_owned(), password.to_owned());
            Some(Credentials::Basic { user, password })
        };
        let check = |value: &str, expected| assert_eq!(Credentials::parse(value), expected);
        check("Bearer abc", bearer("abc"));
        check("bearer  abc ", bearer("abc"));
        check("Basic YWRhOmE6Yg==", basic("ada", "a:b"));
        check("basic Og==", basic("", ""));
        for bad in ["Basic abc", "Basic", "Basic YWRh", "abc", "Digest abc", "Basic !!", ""] {
            check(bad, None);
        }
    }
}
