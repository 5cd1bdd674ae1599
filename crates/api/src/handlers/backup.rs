//! Backups.

use crate::app::Shared;
use crate::refusal::Refusal;
use crate::request::{Caller, Parameters};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use kiln_backup::ImageChoice;
use kiln_protocol::{Code, paths};
use kiln_store::audit;
use serde::Deserialize;
use serde_json::json;
use std::io::{self, BufWriter, Write};
use tokio::sync::mpsc;

/// How much is sent at a time.
const PIECE: usize = 128 << 10;
/// How many pieces wait for the one who reads before the disk has to.
const QUEUE: usize = 8;

/// What goes into a backup.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Whether images do; they do unless told otherwise.
    #[serde(default = "yes")]
    images: bool,
}

const fn yes() -> bool {
    true
}

/// Gives all that must last, as it is now, in one archive.
#[utoipa::path(get, path = paths::BACKUP, tag = "operations", params(Wanted),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(crate) async fn backup(
    State(kiln): Shared,
    Caller(by): Caller,
    Parameters(Wanted { images }): Parameters<Wanted>,
) -> Result<Response, Refusal> {
    let mut db = kiln.database.write().await?;
    audit::record(&mut db, &by, &json!({"did": "back up", "images": images})).await?;
    db.commit().await?;
    let choice = if images { ImageChoice::With } else { ImageChoice::Without };
    let gathered = kiln.backups.gather(choice).await;
    let gathered = gathered.map_err(|error| Refusal::failed(Code::Internal, &error))?;
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        let to = BufWriter::with_capacity(PIECE, Sending(sender));
        if let Err(error) = gathered.write(to) {
            tracing::warn!(%error, "a backup broke off");
            // A body that ends with an error is seen to be cut.
            failed.blocking_send(Err(error)).ok();
        }
    });
    let pieces = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut response = Body::from_stream(pieces).into_response();
    let tar = HeaderValue::from_static("application/x-tar");
    response.headers_mut().insert(header::CONTENT_TYPE, tar);
    Ok(response)
}

/// Hands on what is written, as fast as it is read.
struct Sending(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        self.0.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
