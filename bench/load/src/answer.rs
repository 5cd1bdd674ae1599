//! An answer, whole.

use crate::Kind;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::time::{Duration, Instant};

/// An answer that came to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who asked.
    pub kind: Kind,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Just before the request was sent.
    pub begun: Instant,
    /// Just after the last byte came.
    pub ended: Instant,
    /// From the wish to ask, connecting included, to the last byte; of a slow reader to the head.
    pub took: Duration,
}

impl Answer {
    /// A header's text; none when it is absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, whatever it is.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first characters of the body, for messages.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let text = self.text();
        let short: String = text.chars().take(200).collect();
        if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
    }
}
