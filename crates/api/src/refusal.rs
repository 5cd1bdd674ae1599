//! How the API says no: every error of the crates below becomes a problem document here.

mod bakes;
mod catalog;
mod configuration;
mod deployments;
mod disk;
mod images;
mod secrets;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kiln_protocol::{Code, PROBLEM_JSON, Problem};
use kiln_store::StoreError;

/// The longest explanation. Parsers repeat what they did not understand, however long it is.
const MAX_DETAIL: usize = 16 << 10;
pub(crate) use disk::keeps_on;

/// A refusal on its way to the one who asked.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

/// What a handler gives.
pub(crate) type Answer<T> = Result<axum::Json<T>, Refusal>;

impl Refusal {
    /// A refusal of the given code.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_DETAIL {
            detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
            detail.push('…');
        }
        match disk::told_by(code, &detail) {
            Some(code) => Self(Box::new(Problem {
                hint: Some(disk::advice(code)),
                ..Problem::new(code, detail)
            })),
            None => Self(Box::new(Problem::new(code, detail))),
        }
    }

    /// The same with advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// An error that the one who asked can do something about: its words, and its causes'.
    pub(crate) fn of(code: Code, error: &dyn std::error::Error) -> Self {
        Self::new(code, chain(error))
    }

    /// The same for an error whose words name what was tried: they read after "failed to …".
    pub(crate) fn failed(code: Code, error: &dyn std::error::Error) -> Self {
        Self::new(code, format!("failed to {}", chain(error)))
    }

    /// Kiln itself failed. It is logged, and the machine's owner is told.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        let detail = chain(error);
        tracing::error!(error = detail, "a request failed");
        let refusal = Self::new(Code::Internal, detail);
        match refusal.0.hint {
            None => refusal.hint("the server's log says more."),
            Some(_) => refusal,
        }
    }

    /// The problem document.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        *self.0
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_vec(&*self.0).expect("a problem is plain data");
        let kind = HeaderValue::from_static(PROBLEM_JSON);
        (status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

/// An error and its causes, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
