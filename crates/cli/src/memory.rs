//! What to change in a limit of memory, in words.

use crate::words::size;
use kiln_names::{AppName, EnvName};
use kiln_protocol::status::{MemoryVerdict, ProcessMemory};

/// Lines about each limit that is too wide or too narrow, and what to type.
pub(crate) fn advice(app: &AppName, env: &EnvName, all: &[ProcessMemory]) -> Vec<String> {
    let changed: Vec<&ProcessMemory> =
        all.iter().filter(|memory| memory.verdict != MemoryVerdict::Fits).collect();
    let mut lines: Vec<String> = changed.iter().map(|memory| finding(memory)).collect();
    if let [first, rest @ ..] = &changed[..] {
        let key =
            |it: &ProcessMemory| format!(r#""{}": {{"memory": "{}"}}"#, it.process, it.suggested);
        let keys = rest.iter().fold(key(first), |keys, it| format!("{keys}, {}", key(it)));
        lines.push(format!(r#"  say so: "processes": {{{keys}}}"#));
        lines.push(format!(
            "  in: kiln config put {app} {env} deployment-params.json -m MESSAGE < FILE"
        ));
    }
    lines
}

fn finding(memory: &ProcessMemory) -> String {
    let ProcessMemory { process, limit, peak, too_small, suggested, .. } = memory;
    let used = size(peak.0);
    match (memory.verdict, too_small) {
        (MemoryVerdict::TooSmall, Some(limit)) => {
            format!("{process} ran out of memory at {limit}; {suggested} may do.")
        }
        (MemoryVerdict::TooSmall, None) => {
            format!("{process} used {used} of {limit} at its peak; {suggested} would be safer.")
        }
        _ => format!("{process} used {used} of {limit} at its peak; {suggested} would do."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::{ByteSize, ProcessName};

    fn memory(process: &str, verdict: MemoryVerdict, too_small: Option<u64>) -> ProcessMemory {
        ProcessMemory {
            process: ProcessName::parse(process).unwrap(),
            limit: ByteSize::mib(512),
            peak: ByteSize::mib(30),
            too_small: too_small.map(ByteSize::mib),
            suggested: ByteSize::mib(40),
            verdict,
        }
    }

    #[test]
    fn what_to_type_stands_behind_what_was_found() {
        let (app, env) = (AppName::parse("hello").unwrap(), EnvName::parse("prod").unwrap());
        let all = [
            memory("web", MemoryVerdict::TooLarge, None),
            memory("api", MemoryVerdict::Fits, None),
            memory("worker", MemoryVerdict::TooSmall, Some(32)),
        ];
        expect_test::expect![[r#"
            web used 30.0 MiB of 512MiB at its peak; 40MiB would do.
            worker ran out of memory at 32MiB; 40MiB may do.
              say so: "processes": {"web": {"memory": "40MiB"}, "worker": {"memory": "40MiB"}}
              in: kiln config put hello prod deployment-params.json -m MESSAGE < FILE"#]]
        .assert_eq(&advice(&app, &env, &all).join("\n"));
        assert!(advice(&app, &env, &all[1..2]).is_empty());
    }
}
