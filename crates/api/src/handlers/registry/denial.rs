//! How a registry says no: documents of errors with codes, as the distribution API has them.

use super::answer;
use crate::refusal::Refusal;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kiln_protocol::Code;
use kiln_store::StoreError;
use serde_json::json;

/// Whether a path is the registry's.
pub(crate) fn is_registry(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// Why a registry says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NameUnknown,
    NameInvalid,
    ManifestUnknown,
    BlobUnknown,
    DigestInvalid,
    PaginationInvalid,
    Unauthorized,
    Unsupported,
    RangeInvalid,
    /// Kiln itself failed; the API has no code of its own for that.
    Unknown,
}

/// A registry's refusal.
#[derive(Debug)]
pub(crate) struct Denial {
    reason: Reason,
    message: String,
}

impl Denial {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl Reason {
    const fn code(self) -> &'static str {
        match self {
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::PaginationInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unsupported => "UNSUPPORTED",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::Unknown => "UNKNOWN",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NameUnknown | Self::ManifestUnknown | Self::BlobUnknown => StatusCode::NOT_FOUND,
            Self::NameInvalid | Self::DigestInvalid | Self::PaginationInvalid => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let error = json!({"code": self.reason.code(), "message": self.message, "detail": null});
        let body = Json(json!({"errors": [error]}));
        let mut response = answer((self.reason.status(), body));
        if self.reason == Reason::Unauthorized {
            let basic = HeaderValue::from_static("Basic realm=\"Kiln\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let problem = refusal.into_problem();
        let reason = match problem.code {
            Code::ImageNotFound => Reason::ManifestUnknown,
            _ => Reason::Unknown,
        };
        Self::new(reason, problem.detail)
    }
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}
