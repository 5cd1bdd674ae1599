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

/// How long it may wait after a step began: files that are missing are found missing by then.
const SECOND_WORD: Duration = Duration::from_millis(100);

/// Bakes, and tells how it goes.
#[utoipa::path(post, path = paths::BAKES, tag = "images",
    request_body = NewBake,
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
/// before it did anything is refused here.
pub(super) async fn course<E: Send + 'static>(
    mut receiver: mpsc::Receiver<Told>,
    bake: JoinHandle<Result<E, Refusal>>,
    told: fn(Told) -> Option<E>,
) -> Result<impl Stream<Item = Result<E, Refusal>> + Send, Refusal> {
    let (begun, over) = beginning(&mut receiver).await;
    let end = if over {
        let last = ended(bake).await?;
        stream::once(std::future::ready(Ok(last))).left_stream()
    } else {
        stream::once(ended(bake)).right_stream()
    };
    let rest = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    });
    let events = stream::iter(begun).chain(rest);
    let events = events.filter_map(move |event| std::future::ready(told(event).map(Ok)));
    Ok(events.chain(end))
}

/// The first events, to the first that shows that something is being done; and whether the bake
/// ended before that.
async fn beginning(receiver: &mut mpsc::Receiver<Told>) -> (Vec<Told>, bool) {
    let (mut begun, mut patience) = (Vec::new(), FIRST_WORD);
    loop {
        match tokio::time::timeout(patience, receiver.recv()).await {
            Err(_) => return (begun, false),
            Ok(None) => return (begun, true),
            Ok(Some(event @ Told::StepStarted { .. })) => begun.push(event),
            Ok(Some(event)) => {
                begun.push(event);
                return (begun, false);
            }
        }
        patience = SECOND_WORD;
    }
}

async fn ended<E>(bake: JoinHandle<Result<E, Refusal>>) -> Result<E, Refusal> {
    bake.await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}
