//! Waiting for what others do.

use std::io::Write;
use std::time::{Duration, Instant};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until it is so.
///
/// # Panics
/// When it is not so within `patience`.
pub fn until(what: &str, patience: Duration, so: impl Fn() -> bool) {
    until_some(what, patience, || so().then_some(()));
}

/// Looks until there is something.
///
/// # Panics
/// When there is nothing within `patience`.
pub fn until_some<T>(what: &str, patience: Duration, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        pause();
    }
}

/// Shows a figure. Figures are never judged: a busy machine is no mistake.
pub fn note(figure: &str) {
    // A closed standard error stops nothing.
    writeln!(std::io::stderr(), "{figure}").ok();
}

/// Until the next look.
#[expect(clippy::disallowed_methods, reason = "what is waited for happens in other processes")]
pub(crate) fn pause() {
    std::thread::sleep(LOOK);
}
