//! Which system calls an instance may make, as two filters that the kernel keeps for good.
//!
//! ```text
//! allowed   in a group of `allowed`      everything else: "not implemented", as in an older kernel
//! refused   in a group of `refused`      "not permitted", whatever the first filter says
//! ```
//!
//! Of two filters that refuse, the one loaded last gives the reason. So a call that nobody has heard
//! of makes libraries fall back to what they did before it existed, `clone3` to `clone` for one, and a
//! call that is refused on purpose says so. Calls of another architecture end the process: a 32-bit
//! program would name its calls by other numbers.

#[rustfmt::skip] // Lists that read as paragraphs, not as columns.
mod allowed;
mod refused;

use rustix::thread::CapabilitySet;
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;
use std::env::consts::ARCH;

/// What is done about each call, by its number; no rule means always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Both filters, ready to be loaded.
#[derive(Clone)]
pub(super) struct Filters {
    allowed: BpfProgram,
    refused: BpfProgram,
}

impl Filters {
    /// How many filters the kernel counts once they are loaded.
    pub(super) const COUNT: u32 = 2;

    /// The filters for a process with these capabilities.
    pub(super) fn new(capabilities: CapabilitySet) -> Result<Self, BackendError> {
        let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
        let allow = SeccompAction::Allow;
        let allowed = compile(allowed::rules(), errno(libc::ENOSYS), allow.clone())?;
        let refused = compile(refused::rules(capabilities)?, allow, errno(libc::EPERM))?;
        Ok(Self { allowed, refused })
    }

    /// Loads both. Nothing takes them away again: they go to every process that this one starts and
    /// survive each program it becomes.
    pub(super) fn load(&self) -> seccompiler::Result<()> {
        seccompiler::apply_filter(&self.allowed)?;
        seccompiler::apply_filter(&self.refused)
    }
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, then, ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests;
