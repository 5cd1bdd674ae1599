//! The limits in force, beside those of the spec.

use super::Gap;
use crate::spec::Limits;
use kiln_names::ByteSize;

/// The kernel counts memory in pages.
const PAGE: u64 = 4096;

pub(super) fn compare(spec: &Limits, found: &Limits) -> Vec<Gap> {
    let pages = |size: ByteSize| ByteSize(size.0 / PAGE * PAGE);
    let mut gaps = Vec::new();
    let mut note = |what: &str, expected: Option<String>, found: Option<String>| {
        let told = |limit: Option<String>| limit.unwrap_or_else(|| "no limit".to_owned());
        if expected.is_some() && expected != found {
            gaps.push(Gap::new(what, told(expected), told(found)));
        }
    };
    let size = |limit: Option<ByteSize>| limit.map(|limit| pages(limit).to_string());
    note("its limit of memory", size(spec.memory), size(found.memory));
    let cpu = |limit: Option<u32>| limit.map(|millis| format!("{millis} m"));
    note("its limit of processor time", cpu(spec.cpu_millis), cpu(found.cpu_millis));
    let count = |limit: Option<u32>| limit.map(|count| count.to_string());
    note("its limit of processes", count(spec.pids), count(found.pids));
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_changed_or_lifted_is_a_gap() {
        let spec =
            Limits { memory: Some(ByteSize::mib(64)), cpu_millis: Some(500), pids: Some(64) };
        assert!(compare(&spec, &spec).is_empty());
        assert!(compare(&Limits::default(), &spec).is_empty());
        let changed = Limits { memory: Some(ByteSize::mib(128)), cpu_millis: None, ..spec };
        let gaps = compare(&spec, &changed);
        let told: Vec<_> = gaps.iter().map(|gap| (&*gap.expected, &*gap.found)).collect();
        assert_eq!(told, [("64MiB", "128MiB"), ("500 m", "no limit")]);
    }

    #[test]
    fn what_the_kernel_rounds_to_its_pages_is_no_gap() {
        let of = |bytes| Limits { memory: Some(ByteSize(bytes)), ..Limits::default() };
        assert!(compare(&of(10_000), &of(8192)).is_empty());
    }
}
