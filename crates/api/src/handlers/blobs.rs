//! Content that bakes need, sent by digest.

mod channel;

use super::blocking;
use crate::app::Shared;
use crate::refusal::Refusal;
use crate::request::Names;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use channel::Receiving;
use http_body_util::BodyExt as _;
use kiln_names::Digest;
use kiln_protocol::{Code, paths};
use std::time::Duration;
use tokio::sync::mpsc;

/// The largest content: a root file system of a whole distribution.
const MAX_BLOB: u64 = 64 << 30;

/// How long a sender may pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How many pieces wait for the disk before the sender has to.
const QUEUE: usize = 8;

/// Takes content that has the given digest.
#[utoipa::path(put, path = paths::BLOB, tag = "images",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204)))]
pub(crate) async fn put(
    State(app): Shared,
    Names(digest): Names<Digest>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let images = app.images.clone();
    let stored = blocking(move || images.cache_blob(&digest, Receiving::new(receiver)));
    let (sent, stored) = tokio::join!(send(body, sender), stored);
    // Whoever stops sending makes the content wrong as well; that they did is the better answer.
    sent?;
    stored?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hands the body on, piece by piece, as fast as the disk takes it.
async fn send(mut body: Body, to: mpsc::Sender<bytes::Bytes>) -> Result<(), Refusal> {
    let mut size = 0_u64;
    loop {
        let Ok(frame) = tokio::time::timeout(MAX_PAUSE, body.frame()).await else {
            return Err(Refusal::new(Code::Timeout, "the content stopped coming"));
        };
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| Refusal::of(Code::BadRequest, &error))?;
        let Ok(piece) = frame.into_data() else { continue };
        size += piece.len() as u64;
        if size > MAX_BLOB {
            let detail = format!("content has at most {MAX_BLOB} bytes");
            return Err(Refusal::new(Code::TooLarge, detail));
        }
        // A closed channel means that the disk refused; it says why itself.
        if to.send(piece).await.is_err() {
            return Ok(());
        }
    }
}
