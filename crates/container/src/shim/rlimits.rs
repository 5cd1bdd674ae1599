//! Limits of single processes, as far as the machine lets the shim grant them.

use crate::spec::Rlimit;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::io;

/// The limits in the words of the container's description. A machine that forbids root to raise a
/// limit, as some virtual machines do, gets the highest one it allows: a service with 20,000 files
/// is better than none.
pub(super) fn granted(wanted: &[Rlimit]) -> Vec<Value> {
    wanted.iter().map(grant).collect()
}

/// Puts the calling process under the same limits.
pub(super) fn apply(wanted: &[Rlimit]) -> io::Result<()> {
    wanted.iter().try_for_each(|wanted| {
        let unknown = || io::Error::other(format!("there is no limit {}", wanted.resource));
        let resource = resource(&wanted.resource).ok_or_else(unknown)?;
        let (soft, hard) = within_reach(wanted);
        Ok(setrlimit(
            resource,
            rustix::process::Rlimit { current: Some(soft), maximum: Some(hard) },
        )?)
    })
}

fn grant(wanted: &Rlimit) -> Value {
    let (soft, hard) = within_reach(wanted);
    json!({"type": wanted.resource, "soft": soft, "hard": hard})
}

fn within_reach(wanted: &Rlimit) -> (u64, u64) {
    // A name that is not known here is left for libcontainer to refuse.
    let most = resource(&wanted.resource).and_then(|resource| highest(resource, wanted.hard));
    let most = most.unwrap_or(u64::MAX);
    (wanted.soft.min(most), wanted.hard.min(most))
}

/// The highest limit that may be granted; `None` when `wanted` may. Found by trying: the shim's own
/// limit may as well be that high.
fn highest(resource: Resource, wanted: u64) -> Option<u64> {
    let mut own = getrlimit(resource);
    let most = own.maximum.filter(|most| *most < wanted)?;
    own.maximum = Some(wanted);
    setrlimit(resource, own).is_err().then_some(most)
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_STACK" => Resource::Stack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_ones_own_is_granted_as_it_is() {
        let wanted = Rlimit { resource: "RLIMIT_NOFILE".to_owned(), soft: 5, hard: 7 };
        let expected = json!({"type": "RLIMIT_NOFILE", "soft": 5, "hard": 7});
        assert_eq!(granted(&[wanted]), [expected]);
    }
}
