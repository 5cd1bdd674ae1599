//! The value of a secret, alone in a body.

use crate::refusal::Refusal;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use http_body_util::BodyExt as _;
use kiln_names::{SecretValue, SecretValueError};
use kiln_protocol::Code;
use std::time::Duration;
use zeroize::Zeroizing;

/// What the body is to be. JSON, or a form, that somebody took for the way to send a value would
/// become the value itself.
const KIND: &str = "application/octet-stream";

/// How long a value may take to arrive.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The value of a secret: the body, byte for byte.
#[derive(Debug)]
pub(crate) struct Value(pub(crate) SecretValue);

impl<S: Sync> FromRequest<S> for Value {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != KIND) {
            let detail = format!("the body is to be {KIND}");
            return Err(Refusal::new(Code::UnsupportedMediaType, detail));
        }
        let Ok(bytes) = tokio::time::timeout(MAX_WAIT, collect(request.into_body())).await else {
            return Err(Refusal::new(Code::Timeout, "the value took too long to arrive"));
        };
        let value = SecretValue::new(std::mem::take(&mut *bytes?));
        value.map(Self).map_err(|error| Refusal::of(code(error), &error))
    }
}

/// The body, up to one byte more than a value has. It is written to one place, which does not move
/// while it grows and is overwritten when it is dropped.
async fn collect(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    const ENOUGH: usize = SecretValue::MAX + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(ENOUGH));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::of(Code::BadRequest, &error))?;
        let Ok(piece) = frame.into_data() else { continue };
        let room = ENOUGH - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if bytes.len() == ENOUGH {
            break;
        }
    }
    Ok(bytes)
}

const fn code(error: SecretValueError) -> Code {
    match error {
        SecretValueError::Empty => Code::Invalid,
        SecretValueError::TooLong => Code::TooLarge,
    }
}
