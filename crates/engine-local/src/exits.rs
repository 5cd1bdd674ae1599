//! How an instance ended, from the record that its shim left.

use kiln_container::ExitRecord;
use kiln_engine::Exit;
use kiln_names::ByteSize;

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
