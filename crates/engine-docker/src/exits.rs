//! How an instance ended, in words. Pure.

use kiln_engine::Exit;
use kiln_names::ByteSize;

/// What a shell, and Docker, add to the number of a signal.
const SIGNALLED: i64 = 128;
const SIGKILL: i32 = 9;

/// What an engine tells of an end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct End {
    /// The exit code, as Docker tells it.
    pub(crate) code: Option<i64>,
    /// Whether the kernel killed for memory.
    pub(crate) out_of_memory: bool,
    /// What kept it from running.
    pub(crate) error: Option<String>,
}

/// The end of an instance that might use so much memory.
pub(crate) fn exit(end: &End, limit: Option<ByteSize>) -> Exit {
    // Docker tells a signal only as a code that a program may have chosen as well.
    let killed = end.out_of_memory && end.code == Some(SIGNALLED + i64::from(SIGKILL));
    let signal = killed.then_some(SIGKILL);
    let code = end.code.filter(|_| !killed).and_then(|code| i32::try_from(code).ok());
    Exit {
        code,
        signal,
        out_of_memory: end.out_of_memory,
        cause: cause(end, killed, limit),
        at_ms: 0,
        memory_peak: None,
    }
}

fn cause(end: &End, killed: bool, limit: Option<ByteSize>) -> String {
    let limit = limit.map_or_else(String::new, |limit| format!(" (limit {limit})"));
    match (end.code, &end.error) {
        _ if killed => format!("out of memory{limit}"),
        (Some(code), _) if end.out_of_memory => {
            format!("exited with code {code}, after a process of it ran out of memory{limit}")
        }
        (_, Some(error)) => error.clone(),
        (Some(code), None) => match signal_name(code) {
            Some(name) => format!("exited with code {code}, as after {name}"),
            None => format!("exited with code {code}"),
        },
        (None, None) => "it ended, and the engine does not say how".to_owned(),
    }
}

/// The signals that end services.
fn signal_name(code: i64) -> Option<&'static str> {
    Some(match code - SIGNALLED {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// Why a start failed, in clearer words than the engine's where there are some.
pub(crate) fn start_failed(error: &str, port: u16) -> String {
    let error = crate::trouble::shortened(error);
    let has = |words: &str| error.contains(words);
    if has("address already in use") || has("port is already allocated") {
        return format!("port {port} is taken: {error}");
    }
    if has("No such image") || has("manifest unknown") || has("pull access denied") {
        return format!("the image is missing: {error}");
    }
    if has("server gave HTTP response to HTTPS client") {
        return format!(
            "the registry speaks no TLS; name it under insecure-registries in /etc/docker/daemon.json \
             of every node: {error}"
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: Option<i64>, out_of_memory: bool, error: Option<&str>) -> Exit {
        let error = error.map(str::to_owned);
        exit(&End { code, out_of_memory, error }, Some(ByteSize::mib(32)))
    }

    #[test]
    fn codes_are_told_and_signals_only_where_they_are_certain() {
        assert_eq!(told(Some(0), false, None).cause, "exited with code 0");
        let killed = told(Some(137), false, None);
        assert_eq!(killed.cause, "exited with code 137, as after SIGKILL");
        assert_eq!((killed.code, killed.signal), (Some(137), None));
        let memory = told(Some(137), true, None);
        assert_eq!(memory.cause, "out of memory (limit 32MiB)");
        assert_eq!((memory.code, memory.signal, memory.out_of_memory), (None, Some(9), true));
        let child = told(Some(3), true, None);
        let expected = "exited with code 3, after a process of it ran out of memory (limit 32MiB)";
        assert_eq!(child.cause, expected);
    }

    #[test]
    fn what_kept_it_from_running_is_told() {
        assert_eq!(told(None, false, Some("no node")).cause, "no node");
        assert_eq!(told(None, false, None).cause, "it ended, and the engine does not say how");
    }

    #[test]
    fn failed_starts_say_what_to_do() {
        let bind = "driver failed: listen tcp4 0.0.0.0:20003: bind: address already in use";
        assert_eq!(start_failed(bind, 20_003), format!("port 20003 is taken: {bind}"));
        assert!(start_failed("No such image: x", 1).starts_with("the image is missing: "));
        assert_eq!(start_failed("boom", 1), "boom");
    }
}
