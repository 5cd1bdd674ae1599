//! The token that opens the API over TCP.

use crate::refusal::Refusal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use kiln_names::Digest;
use kiln_protocol::Code;
use std::sync::Arc;

/// Lets a request through when it carries the token.
pub(crate) async fn check(
    State(token): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let given = request.headers().get(axum::http::header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()).and_then(bearer);
    match given {
        Some(given) if same(given, &token) => Ok(next.run(request).await),
        Some(_) => Err(refused("the token is not the right one")),
        None => Err(refused("a token is needed here")),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares in a time that depends on neither text: hashes of equal length, to their end.
fn same(one: &str, other: &str) -> bool {
    let (one, other) = (Digest::of(one.as_bytes()).hex(), Digest::of(other.as_bytes()).hex());
    let differing = |(one, other): (u8, u8)| one ^ other;
    one.bytes().zip(other.bytes()).map(differing).fold(0, std::ops::BitOr::bitor) == 0
}

fn refused(detail: &str) -> Refusal {
    let hint = "--token or KILN_TOKEN: what admin.token in the server's data directory holds.";
    Refusal::new(Code::Unauthorized, detail).hint(hint)
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
    fn a_bearer_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
