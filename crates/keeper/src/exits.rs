//! How an instance ended, in the keeper's words.

use crate::Birth;
use crate::inner::Inner;
use kiln_engine::{EndedInstance, Exit, InstanceState, ObservedInstance};
use kiln_names::InstanceId;
use kiln_store::local;

/// How an instance ended; where nothing tells, why.
pub(crate) async fn read(inner: &Inner, birth: &Birth) -> Exit {
    let limit = Some(birth.spec.params.memory);
    let exit = of_runtime(inner, inner.runtime.exit(birth.id, limit).await);
    with_reason(exit, inner, birth)
}

/// The same for an instance whose group is forgotten.
pub(crate) async fn read_forgotten(inner: &Inner, id: InstanceId) -> Exit {
    of_runtime(inner, inner.runtime.exit(id, None).await)
}

fn of_runtime(inner: &Inner, told: Result<Exit, String>) -> Exit {
    let at_ms = inner.now_ms();
    told.map_or_else(|cause| never_started(cause, at_ms), |exit| Exit { at_ms, ..exit })
}

/// An instance whose main process never ran, or of which nobody knows how it ended.
#[must_use]
pub fn never_started(cause: String, at_ms: u64) -> Exit {
    let (code, signal, memory_peak) = (None, None, None);
    Exit { code, signal, out_of_memory: false, cause, at_ms, memory_peak }
}

/// What the keeper stopped it for says more than the signal that it stopped it with, and less than
/// memory that ran out.
fn with_reason(exit: Exit, inner: &Inner, birth: &Birth) -> Exit {
    let stopped_for = inner.model().live(birth.id).and_then(|(_, i)| i.stopped_for.clone());
    match stopped_for {
        Some(cause) if exit.out_of_memory => {
            let limit = birth.spec.params.memory;
            let cause = format!("{cause}, after a process of it ran out of memory (limit {limit})");
            Exit { cause, ..exit }
        }
        Some(cause) => Exit { cause, ..exit },
        None => exit,
    }
}

/// What the database keeps of an instance that ended. An exit of another Kiln's is told as it is.
pub(crate) fn of_row(row: &local::EndedInstance) -> EndedInstance {
    let exit = serde_json::from_str(&row.exit);
    let exit = exit.unwrap_or_else(|_| never_started(row.exit.clone(), row.ended_ms));
    EndedInstance {
        group: row.instance.group,
        group_name: row.instance.group_name.clone(),
        instance: ObservedInstance {
            id: row.instance.id,
            slot: row.instance.slot,
            state: InstanceState::Exited,
            address: None,
            last_check: None,
            exit: Some(exit),
            started_ms: Some(row.instance.created_ms),
            usage: None,
        },
    }
}

/// An error and its causes, joined by colons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
