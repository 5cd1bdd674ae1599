//! Bytes that come one piece after the other, and are many.

use crate::ClientError;
use crate::connection::lost;
use bytes::Bytes;
use http::{Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::time::Duration;

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes on their way.
#[derive(Debug)]
pub struct Download {
    size: Option<u64>,
    body: Incoming,
}

impl Download {
    pub(crate) fn new(answer: Response<Incoming>) -> Self {
        let size = answer.headers().get(header::CONTENT_LENGTH);
        let size = size.and_then(|size| size.to_str().ok()?.parse().ok());
        Self { size, body: answer.into_body() }
    }

    /// How many there are in all, where the server knows.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when it breaks off, as a server does that finds damage while it sends;
    /// [`ClientError::Silent`].
    pub async fn next(&mut self) -> Option<Result<Bytes, ClientError>> {
        loop {
            let Ok(frame) = tokio::time::timeout(SILENCE, self.body.frame()).await else {
                return Some(Err(ClientError::Silent { seconds: SILENCE.as_secs() }));
            };
            match frame?.map_err(lost) {
                Ok(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        return Some(Ok(piece));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
