//! Keeps looking at the containers of one engine: whenever it tells of a change, and now and then.

use super::{RETRY, list, read};
use crate::inner::Inner;
use crate::trouble::Trouble;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{FutureExt as _, StreamExt as _};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often is looked when the engine tells nothing: soon at first, since nothing says from when on
/// it tells, and soon after it told something.
const PERIOD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// What comes within this time is one change.
const TOGETHER: Duration = Duration::from_millis(5);

/// Watches for as long as somebody else holds the runtime.
pub(crate) async fn watch(inner: Weak<Inner>) {
    let mut down = false;
    while let Some(inner) = inner.upgrade() {
        match follow(&inner, &mut down).await {
            Ok(()) => {}
            Err(trouble) if !down => {
                tracing::warn!(env = %inner.owner.env, error = trouble.words(), "lost an engine");
                down = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Looks once, and again for every change, until the engine is lost.
async fn follow(inner: &Arc<Inner>, down: &mut bool) -> Result<(), Trouble> {
    let docker = inner.connection.docker().await?;
    let mut filters = inner.owner.filters();
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    let options = EventsOptionsBuilder::default().filters(&filters).build();
    let mut events = std::pin::pin!(docker.events(Some(options)));
    let mut period = PERIOD.0;
    loop {
        look(inner).await?;
        if std::mem::take(down) {
            tracing::info!(env = %inner.owner.env, "the engine answers again");
        }
        if Arc::strong_count(inner) == 1 {
            return Ok(());
        }
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(_)) => {
                    tokio::time::sleep(TOGETHER).await;
                    while let Some(Some(Ok(_))) = events.next().now_or_never() {}
                    // An engine tells of an end before its lists show it.
                    period = PERIOD.0;
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            () = inner.look.notified() => {}
            () = tokio::time::sleep(period) => period = (period * 2).min(PERIOD.1),
        }
    }
}

/// One look at everything.
async fn look(inner: &Inner) -> Result<(), Trouble> {
    let began = inner.sight.begin();
    let listed = list(inner).await?;
    inner.looked(began, read::all(&inner.owner, &listed));
    if let Some(known) = inner.unswept() {
        super::sweep(inner, &known, &listed).await;
    }
    Ok(())
}
