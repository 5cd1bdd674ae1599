//! Bases.

use super::bakes::course;
use super::blocking;
use crate::app::{App, Shared};
use crate::events::{Events, events};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller, Names};
use axum::Json;
use axum::extract::State;
use kiln_bakery::BakeEvent as Told;
use kiln_names::BaseName;
use kiln_protocol::bake::{Base, BaseEvent, NewBase};
use kiln_protocol::{Timestamp, paths};
use kiln_store::bakes::{self, BaseRow};
use tokio::sync::mpsc;

/// How many events wait for a slow reader.
const QUEUE: usize = 256;

/// Bakes a base, and tells how it goes.
#[utoipa::path(post, path = paths::BASE, tag = "images",
    request_body = NewBase,
    responses((status = 200, body = BaseEvent, content_type = "text/event-stream")))]
pub(crate) async fn bake(
    State(app): Shared,
    Caller(by): Caller,
    Names(name): Names<BaseName>,
    Body(new): Body<NewBase>,
) -> Result<Events, Refusal> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let bake = tokio::spawn(async move {
        let row = Box::pin(app.bakery.bake_base(&name, &new, &by, &sender)).await?;
        shown(&app, row).await.map(BaseEvent::Baked)
    });
    Ok(events(course(receiver, bake, told).await?))
}

/// Lists the bases by name.
#[utoipa::path(get, path = paths::BASES, tag = "images", responses((status = 200, body = [Base])))]
pub(crate) async fn list(State(app): Shared) -> Answer<Vec<Base>> {
    let rows = bakes::bases(&mut *app.database.read().await?).await?;
    let mut bases = Vec::with_capacity(rows.len());
    for row in rows {
        bases.push(shown(&app, row).await?);
    }
    Ok(Json(bases))
}

fn told(event: Told) -> Option<BaseEvent> {
    match event {
        Told::StepStarted { step, .. } => Some(BaseEvent::Step { step }),
        Told::Output { line } => Some(BaseEvent::Output { line }),
        Told::StepDone { .. } => None,
    }
}

async fn shown(app: &App, row: BaseRow) -> Result<Base, Refusal> {
    let images = app.images.clone();
    let image = blocking(move || images.image(&row.digest)).await?;
    let bytes = image.layers.iter().map(|layer| layer.bytes).sum();
    Ok(Base { name: row.name, image: row.digest, bytes, baked: Timestamp(row.created_ms) })
}
