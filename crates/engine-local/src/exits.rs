//! How an instance ended, in the engine's words.

use crate::inner::Inner;
use crate::life::Birth;
use kiln_container::ExitRecord;
use kiln_engine::{EndedInstance, Exit, InstanceState, ObservedInstance};
use kiln_names::{ByteSize, InstanceId};
use kiln_store::local;
use std::sync::Arc;

/// Reads the record that the shim left; without one, the shim itself was lost.
pub(crate) async fn read(inner: &Arc<Inner>, birth: &Birth) -> Exit {
    let at_ms = inner.machine.now_ms();
    let exit = match record(inner, birth.id).await {
        Ok(record) => of_record(Some(birth.spec.params.memory), record, at_ms),
        Err(cause) => never_started(cause, at_ms),
    };
    with_reason(exit, inner, birth)
}

/// The same for an instance whose group is forgotten.
pub(crate) async fn read_forgotten(inner: &Arc<Inner>, id: InstanceId) -> Exit {
    let at_ms = inner.machine.now_ms();
    match record(inner, id).await {
        Ok(record) => of_record(None, record, at_ms),
        Err(cause) => never_started(cause, at_ms),
    }
}

async fn record(inner: &Arc<Inner>, id: InstanceId) -> Result<ExitRecord, String> {
    let inner = inner.clone();
    let read = tokio::task::spawn_blocking(move || inner.machine.exit_record(id)).await;
    read.map_err(|error| error.to_string()).and_then(|record| record)
}

/// An instance whose main process never ran.
pub(crate) fn never_started(cause: String, at_ms: u64) -> Exit {
    let (code, signal, memory_peak) = (None, None, None);
    Exit { code, signal, out_of_memory: false, cause, at_ms, memory_peak }
}

/// What the shim wrote down of an instance that may use so much memory.
pub(crate) fn of_record(limit: Option<ByteSize>, record: ExitRecord, at_ms: u64) -> Exit {
    let cause = match record.oom_killed {
        true => with_memory(limit, &record),
        false => record.cause,
    };
    Exit {
        code: record.code,
        signal: record.signal,
        out_of_memory: record.oom_killed,
        cause,
        at_ms,
        memory_peak: record.peak_memory_bytes.map(ByteSize),
    }
}

/// The kernel killed for memory: the main process, or one that it may have ended for the want of.
fn with_memory(limit: Option<ByteSize>, record: &ExitRecord) -> String {
    let limit = limit.map_or_else(String::new, |limit| format!(" (limit {limit})"));
    let main = record.cause.starts_with("out of memory") || record.cause == "killed by SIGKILL";
    match main {
        true => format!("out of memory{limit}"),
        false => format!("{}, after a process of it ran out of memory{limit}", record.cause),
    }
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
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cause: &str, oom_killed: bool) -> String {
        let record = ExitRecord {
            code: None,
            signal: None,
            oom_killed,
            started_at: None,
            ended_at: String::new(),
            peak_memory_bytes: Some(7),
            cause: cause.to_owned(),
        };
        let exit = of_record(Some(ByteSize::mib(32)), record, 0);
        assert_eq!((exit.out_of_memory, exit.memory_peak), (oom_killed, Some(ByteSize(7))));
        exit.cause
    }

    #[test]
    fn memory_is_named_whichever_process_the_kernel_killed() {
        assert_eq!(told("killed by SIGKILL", false), "killed by SIGKILL");
        assert_eq!(told("killed by SIGKILL", true), "out of memory (limit 32MiB)");
        assert_eq!(told("out of memory: it may use 32MiB", true), "out of memory (limit 32MiB)");
        let child = "exited with code 3, after a process of it ran out of memory (limit 32MiB)";
        assert_eq!(told("exited with code 3", true), child);
    }
}
