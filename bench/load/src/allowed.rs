//! Which versions may answer, and since when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Which versions may answer a request, by the time between its beginning and its end. While one
/// version takes over from another both may; once that is done, a request that begins later must be
/// answered by the new one. Handles are cheap to clone and share one history.
#[derive(Debug, Clone)]
pub struct Allowed {
    history: Arc<Mutex<Vec<Since>>>,
}

/// From when on which versions may.
type Since = (Instant, Vec<String>);

impl Allowed {
    /// Only `version`, from now on.
    #[must_use]
    pub fn only_now(version: impl Into<String>) -> Self {
        let first = (Instant::now(), vec![version.into()]);
        Self { history: Arc::new(Mutex::new(vec![first])) }
    }

    /// Also `version`, from now on.
    pub fn also(&self, version: impl Into<String>) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let mut versions = history.last().map(|(_, versions)| versions.clone()).unwrap_or_default();
        versions.push(version.into());
        history.push((Instant::now(), versions));
    }

    /// Only `version`, for requests that begin from now on.
    pub fn only(&self, version: impl Into<String>) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push((Instant::now(), vec![version.into()]));
    }

    /// Whether `version` may have answered a request of that time.
    ///
    /// # Errors
    /// Which ones may have.
    pub fn check(&self, version: &str, begun: Instant, ended: Instant) -> Result<(), String> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let first = history.iter().rposition(|(since, _)| *since <= begun).unwrap_or(0);
        let during = history[first..].iter().take_while(|(since, _)| *since <= ended);
        let names: Vec<&str> = during.flat_map(|(_, names)| names).map(String::as_str).collect();
        if names.contains(&version) {
            return Ok(());
        }
        Err(format!("{version:?} answered where only {names:?} may"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_request_may_be_answered_by_every_version_of_its_time() {
        let allowed = Allowed::only_now("1");
        let before = Instant::now();
        allowed.also("2");
        let during = Instant::now();
        allowed.only("2");
        let after = Instant::now();
        let later = after + Duration::from_secs(1);
        assert!(allowed.check("1", before, before).is_ok());
        assert!(allowed.check("2", before, before).is_err());
        assert!(allowed.check("2", before, during).is_ok());
        assert!(allowed.check("1", before, later).is_ok());
        assert!(allowed.check("1", during, later).is_ok());
        assert!(allowed.check("2", after, later).is_ok());
        assert!(allowed.check("1", after, later).is_err());
        assert!(allowed.check("3", before, later).is_err());
    }
}
