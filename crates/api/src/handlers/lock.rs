//! The one lock over everything.

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusal};
use crate::request::{Body, Caller};
use axum::Json;
use axum::extract::State;
use kiln_protocol::deployment::{HeldLock, Lock, Reason};
use kiln_protocol::{Code, Timestamp, paths};
use kiln_store::lock::{self, LockRow};

/// The most characters of a reason: a few lines of a terminal.
const MAX_REASON: usize = 500;

/// Shows who holds the lock.
#[utoipa::path(get, path = paths::LOCK, tag = "deployments",
    responses((status = 200, body = Lock)))]
pub(crate) async fn show(State(kiln): Shared) -> Answer<Lock> {
    shown(&kiln).await
}

/// Takes the lock: no deployment begins until somebody gives it back.
#[utoipa::path(put, path = paths::LOCK, tag = "deployments",
    request_body = Reason, responses((status = 200, body = Lock)))]
pub(crate) async fn take(
    State(kiln): Shared,
    Caller(by): Caller,
    Body(Reason { message }): Body<Reason>,
) -> Answer<Lock> {
    let length = message.chars().count();
    if message.trim().is_empty() || length > MAX_REASON {
        let detail = format!("say why in 1 to {MAX_REASON} characters");
        return Err(Refusal::new(Code::Invalid, detail));
    }
    let mut write = kiln.database.write().await?;
    if let Some(held) = lock::holder(&mut write).await? {
        let detail = format!("{} locked everything already: {}", held.by.who, held.message);
        return Err(Refusal::new(Code::Locked, detail).hint("kiln unlock gives it back."));
    }
    lock::take(&mut write, &LockRow { by, message }).await?;
    write.commit().await?;
    shown(&kiln).await
}

/// Gives the lock back, whoever took it.
#[utoipa::path(delete, path = paths::LOCK, tag = "deployments",
    responses((status = 200, body = Lock)))]
pub(crate) async fn release(State(kiln): Shared, Caller(by): Caller) -> Answer<Lock> {
    let mut write = kiln.database.write().await?;
    if lock::holder(&mut write).await?.is_some() {
        lock::release(&mut write, &by).await?;
        write.commit().await?;
    }
    shown(&kiln).await
}

async fn shown(kiln: &App) -> Answer<Lock> {
    let held = lock::holder(&mut *kiln.database.read().await?).await?;
    Ok(Json(Lock {
        held: held.map(|lock| HeldLock {
            user: lock.by.who,
            message: lock.message,
            since: Timestamp(lock.by.at_ms),
        }),
    }))
}
