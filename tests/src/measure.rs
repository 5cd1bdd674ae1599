//! What the demonstration and the benchmark both measure, and how.

pub mod memory;
mod own_start;

pub use own_start::own_start;

use serde_json::Value;
use std::time::Duration;

/// The one in the middle; nothing of nothing.
#[must_use]
pub fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
}

/// From the begin of one action of a deployment to the end of another, to the millisecond; none when
/// it has them not.
#[must_use]
pub fn span(deployment: &Value, from: &str, to: &str) -> Option<Duration> {
    let actions = deployment["actions"].as_array()?;
    let find = |name: &str| actions.iter().find(|action| action["name"] == name);
    let begun = instant(&find(from)?["started"])?;
    let ended = instant(&find(to)?["ended"])?;
    Some(Duration::from_millis(ended.saturating_sub(begun)))
}

/// Milliseconds since 1970.
fn instant(value: &Value) -> Option<u64> {
    kiln_protocol::Timestamp::parse(value.as_str()?).ok().map(|timestamp| timestamp.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_goes_from_the_begin_of_one_action_to_the_end_of_another() {
        let deployment = serde_json::json!({"actions": [
            {"name": "one", "started": "2026-11-21T01:00:00.100Z", "ended": "2026-11-21T01:00:00.200Z"},
            {"name": "two", "started": "2026-11-21T01:00:00.200Z", "ended": "2026-11-21T01:00:01.300Z"},
        ]});
        assert_eq!(span(&deployment, "one", "two"), Some(Duration::from_millis(1200)));
        assert_eq!(span(&deployment, "one", "three"), None);
    }
}
