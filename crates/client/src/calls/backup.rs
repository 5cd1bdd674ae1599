//! Backups.

use crate::connection::lost;
use crate::{Client, ClientError};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use kiln_protocol::paths::{self, query};
use std::time::Duration;

/// How long the server may pause within an archive; a busy disk may hold it up.
const SILENCE: Duration = Duration::from_secs(60);

/// An archive as it comes.
#[derive(Debug)]
pub struct Archive(Incoming);

impl Archive {
    /// The next piece; none at the end of an archive that is whole.
    ///
    /// # Errors
    /// [`ClientError`] when it broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Ok(frame) = tokio::time::timeout(SILENCE, self.0.frame()).await else {
                return Err(ClientError::Silent { seconds: SILENCE.as_secs() });
            };
            match frame.transpose().map_err(lost)? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

impl Client {
    /// All that must last, as it is now.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn backup(&self, images: bool) -> Result<Archive, ClientError> {
        let query = query(&[("images", (!images).then(|| "false".to_owned()))]);
        self.fetch(&format!("{}{query}", paths::BACKUP)).await.map(Archive)
    }
}
