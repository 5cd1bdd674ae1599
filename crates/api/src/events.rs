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
    labelled(source.map(|event| event.map(|event| (Label::default(), event))))
}

/// What an event says of itself beside its data.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Label {
    /// What kind it is.
    pub(crate) name: Option<&'static str>,
    /// What a client hands back to be told what comes after it.
    pub(crate) id: Option<u64>,
}

impl Label {
    fn event(self) -> Event {
        let event = self.name.map_or_else(Event::default, |name| Event::default().event(name));
        match self.id {
            Some(id) => event.id(id.to_string()),
            None => event,
        }
    }
}

/// The same with labels.
pub(crate) fn labelled<E: Serialize + Send + 'static>(
    source: impl Stream<Item = Result<(Label, E), Refusal>> + Send + 'static,
) -> Events {
    let written = source.scan(false, |over, event| {
        let written = (!*over).then(|| match event {
            Ok((label, event)) => label.event().data(json(&event)),
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
