//! How an instance ended, in the engine's words.

use crate::inner::Inner;
use crate::life::Birth;
use kiln_container::ExitRecord;
use kiln_engine::Exit;
use kiln_names::InstanceId;
use std::sync::Arc;

/// Reads the record that the shim left; without one, the shim itself was lost.
pub(crate) async fn read(inner: &Arc<Inner>, birth: &Birth) -> Exit {
    let at_ms = inner.machine.now_ms();
    let exit = match record(inner, birth.id).await {
        Ok(record) => of_record(birth, record, at_ms),
        Err(cause) => never_started(cause, at_ms),
    };
    with_reason(exit, inner, birth)
}

/// The same for an instance whose group is forgotten.
pub(crate) async fn read_forgotten(inner: &Arc<Inner>, id: InstanceId) -> Exit {
    let at_ms = inner.machine.now_ms();
    let cause = record(inner, id).await.map_or_else(|cause| cause, |record| record.cause);
    never_started(cause, at_ms)
}

async fn record(inner: &Arc<Inner>, id: InstanceId) -> Result<ExitRecord, String> {
    let inner = inner.clone();
    let read = tokio::task::spawn_blocking(move || inner.machine.exit_record(id)).await;
    read.map_err(|error| error.to_string()).and_then(|record| record)
}

/// An instance whose main process never ran.
pub(crate) fn never_started(cause: String, at_ms: u64) -> Exit {
    Exit { code: None, signal: None, out_of_memory: false, cause, at_ms }
}

fn of_record(birth: &Birth, record: ExitRecord, at_ms: u64) -> Exit {
    let cause = if record.oom_killed {
        format!("out of memory (limit {})", birth.spec.params.memory)
    } else {
        record.cause
    };
    Exit {
        code: record.code,
        signal: record.signal,
        out_of_memory: record.oom_killed,
        cause,
        at_ms,
    }
}

/// What the keeper stopped it for says more than the signal that it stopped it with.
fn with_reason(exit: Exit, inner: &Inner, birth: &Birth) -> Exit {
    match inner.model().live(birth.id).and_then(|(_, i)| i.stopped_for.clone()) {
        Some(cause) => Exit { cause, ..exit },
        None => exit,
    }
}

/// An error and its causes, joined by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
