//! Streams of server-sent events.

use crate::refusal::Refusal;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use kiln_protocol::wire::PROBLEM_EVENT;
use serde::Serialize;
use std::convert::Infallible;
use std::time::Duration;

/// How often a silent stream says that it lives; clients give up after four times that.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// A stream of events on its way to the one who asked.
pub(crate) type Events = Sse<KeepAliveStream<BoxStream<'static, Result<Event, Infallible>>>>;

/// Sends what comes, and ends after the first refusal.
pub(crate) fn events<E: Serialize + Send + 'static>(
    source: impl Stream<Item = Result<E, Refusal>> + Send + 'static,
) -> Events {
    let written = source.scan(false, |over, event| {
        let written = (!*over).then(|| match event {
            Ok(event) => Event::default().data(json(&event)),
            Err(refusal) => {
                *over = true;
                Event::default().event(PROBLEM_EVENT).data(json(&refusal.into_problem()))
            }
        });
        std::future::ready(written.map(Ok))
    });
    let alive = KeepAlive::new().interval(SIGN_OF_LIFE);
    Sse::new(written.boxed()).keep_alive(alive)
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the protocol's types are JSON")
}
