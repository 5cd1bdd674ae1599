//! Server-sent events: the one reader of them.

mod decoder;

use crate::ClientError;
use crate::connection::lost;
use decoder::{Decoder, Event};
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use kiln_protocol::Problem;
use kiln_protocol::wire::PROBLEM_EVENT;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a stream may be silent: four of the server's signs of life.
const SILENCE: Duration = Duration::from_secs(60);

/// Events as they come. Ends where the server ends it; a broken connection and a problem are errors,
/// after which nothing comes.
pub struct Events<E>(BoxStream<'static, Result<E, ClientError>>);

impl<E: DeserializeOwned + Send + 'static> Events<E> {
    pub(crate) fn new(body: Incoming) -> Self {
        let reader = Some((body, Decoder::default()));
        let events = futures_util::stream::unfold(reader, |reader| async move {
            let (mut body, mut decoder) = reader?;
            match next(&mut body, &mut decoder).await {
                Ok(event) => event.map(|event| (Ok(event), Some((body, decoder)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Self(events.boxed())
    }
}

async fn next<E: DeserializeOwned>(
    body: &mut Incoming,
    decoder: &mut Decoder,
) -> Result<Option<E>, ClientError> {
    loop {
        if let Some(event) = decoder.next() {
            return meaning(&event).map(Some);
        }
        let Ok(frame) = tokio::time::timeout(SILENCE, body.frame()).await else {
            return Err(ClientError::Silent { seconds: SILENCE.as_secs() });
        };
        let Some(frame) = frame else { return Ok(None) };
        if let Ok(bytes) = frame.map_err(lost)?.into_data() {
            decoder.push(&bytes).map_err(|error| ClientError::Answer(error.to_string()))?;
        }
    }
}

fn meaning<E: DeserializeOwned>(event: &Event) -> Result<E, ClientError> {
    let unclear = |error: serde_json::Error| ClientError::Answer(error.to_string());
    if event.name == PROBLEM_EVENT {
        return Err(serde_json::from_str::<Problem>(&event.data).map_err(unclear)?.into());
    }
    serde_json::from_str(&event.data).map_err(unclear)
}

impl<E> Stream for Events<E> {
    type Item = Result<E, ClientError>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<E> std::fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Events").finish()
    }
}
