//! JSON bodies.

use crate::refusal::Refusal;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kiln_protocol::Code;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest JSON body: the context of a bake with half a million files.
const MAX_BODY: usize = 128 << 20;

/// How long a JSON body may take to arrive.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            let detail = "the body is to be application/json";
            return Err(Refusal::new(Code::UnsupportedMediaType, detail));
        }
        let body = Limited::new(request.into_body(), MAX_BODY).collect();
        let Ok(body) = tokio::time::timeout(MAX_WAIT, body).await else {
            return Err(Refusal::new(Code::Timeout, "the body took too long to arrive"));
        };
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Refusal::new(Code::TooLarge, format!("a body has at most {MAX_BODY} bytes")),
            None => Refusal::of(Code::BadRequest, &*error),
        })?;
        parse(&body.to_bytes()).map(Self)
    }
}

/// Reads JSON; a mistake is told with its line and column.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(text).map_err(|error| Refusal::of(Code::BadJson, &error))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_protocol::catalog::NewApp;

    #[test]
    fn a_mistake_in_json_is_told_with_its_place() {
        let check = |text: &str, expected: &str| {
            let problem = parse::<NewApp>(text.as_bytes()).unwrap_err().into_problem();
            assert_eq!(problem.code, Code::BadJson);
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        };
        check("{\"name\":\n oops}", "line 2 column 2");
        check("{\"name\":\"Hello\"}", "is not an application name");
        check("{\"name\":\"hello\",\"contakt\":1}", "unknown field `contakt`");
        check("", "line 1 column 0");
    }
}
