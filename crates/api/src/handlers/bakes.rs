//! Bakes.

use crate::app::Shared;
use crate::events::{Events, events};
use crate::refusal::Refusal;
use crate::request::{Body, Caller};
use axum::extract::State;
use futures_util::stream::{self, Stream, StreamExt as _};
use kiln_bakery::BakeEvent as Told;
use kiln_protocol::bake::{BakeEvent, NewBake};
use kiln_protocol::paths;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many events wait for a slow reader.
const QUEUE: usize = 256;

/// How long the answer may wait for the bake's first word, so that a refusal is a status rather
/// than an event. A bake that waits for its turn says nothing.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// Bakes, and tells how it goes.
#[utoipa::path(post, path = paths::BAKES, tag = "images",
    responses((status = 200, body = BakeEvent, content_type = "text/event-stream")))]
pub(crate) async fn bake(
    State(app): Shared,
    Caller(by): Caller,
    Body(new): Body<NewBake>,
) -> Result<Events, Refusal> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let bakery = app.bakery.clone();
    let bake = tokio::spawn(async move {
        Box::pin(bakery.bake(&new, &by, &sender)).await.map(BakeEvent::Baked).map_err(Refusal::from)
    });
    Ok(events(course(receiver, bake, told).await?))
}

fn told(event: Told) -> Option<BakeEvent> {
    Some(match event {
        Told::StepStarted { step, .. } => BakeEvent::Step { step },
        Told::Output { line } => BakeEvent::Output { line },
        Told::StepDone { layer, .. } => BakeEvent::Layer(layer),
    })
}

/// The events of a bake and then its end. Dropping the stream ends the bake. A bake that is refused
/// before its first word is refused here.
pub(super) async fn course<E: Send + 'static>(
    mut receiver: mpsc::Receiver<Told>,
    bake: JoinHandle<Result<E, Refusal>>,
    told: fn(Told) -> Option<E>,
) -> Result<impl Stream<Item = Result<E, Refusal>> + Send, Refusal> {
    let first = tokio::time::timeout(FIRST_WORD, receiver.recv()).await;
    let (begin, end) = match first {
        // It ended without a word.
        Ok(None) => {
            (None, stream::once(std::future::ready(ended(bake).await.map(Ok)?)).left_stream())
        }
        Ok(Some(first)) => (told(first), stream::once(ended(bake)).right_stream()),
        Err(_) => (None, stream::once(ended(bake)).right_stream()),
    };
    let rest = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    });
    let rest = rest.filter_map(move |event| std::future::ready(told(event).map(Ok)));
    Ok(stream::iter(begin.map(Ok)).chain(rest).chain(end))
}

async fn ended<E>(bake: JoinHandle<Result<E, Refusal>>) -> Result<E, Refusal> {
    bake.await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}
