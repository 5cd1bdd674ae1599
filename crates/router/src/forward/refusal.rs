//! Requests that no instance answers, and what the client is told.

use crate::body::{BodyError, ResponseBody};
use http::{HeaderValue, Response, StatusCode, header};
use kiln_names::InstanceId;

/// Why the router answers by itself.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request has no one meaning.
    Malformed(&'static str),
    /// A tunnel to anywhere is not what this is for.
    Connect,
    /// No cluster has this host and path.
    NoRoute(String),
    /// The cluster has no healthy instance with weight.
    NoInstance,
    /// The instance chosen last, and no other, gave an answer.
    NoAnswer(InstanceId),
    /// An instance switched protocols without being asked.
    UnaskedUpgrade,
}

impl Refusal {
    /// The answer: short plain text.
    pub(crate) fn answer(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Whole(self.text().into()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let plain = const { HeaderValue::from_static("text/plain; charset=utf-8") };
        headers.insert(header::CONTENT_TYPE, plain);
        if matches!(self, Self::NoInstance) {
            headers.insert(header::RETRY_AFTER, const { HeaderValue::from_static("1") });
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::NoInstance => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoAnswer(_) | Self::UnaskedUpgrade => StatusCode::BAD_GATEWAY,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Malformed(what) => format!("The request has {what}.\n"),
            Self::Connect => "CONNECT is not carried.\n".to_owned(),
            Self::NoRoute(host) => format!("No route for {host} and this path.\n"),
            Self::NoInstance => "No healthy instance at the moment.\n".to_owned(),
            Self::NoAnswer(id) => format!("Instance {id} gave no answer.\n"),
            Self::UnaskedUpgrade => "The instance switched protocols unasked.\n".to_owned(),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(_: BodyError) -> Self {
        Self::Malformed("a body that broke off")
    }
}
