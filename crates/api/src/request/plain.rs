//! Refusals for git, which shows a person no answer but plain text.

use crate::refusal::Refusal;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A refusal that is told in plain text.
#[derive(Debug)]
pub(crate) struct PlainRefusal(Refusal);

impl From<Refusal> for PlainRefusal {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for PlainRefusal {
    fn into_response(self) -> Response {
        let problem = self.0.into_problem();
        let hint = problem.hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        let mut response = format!("error: {}\n{hint}", problem.detail).into_response();
        *response.status_mut() = problem.status.try_into().unwrap_or_default();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
    }
}
