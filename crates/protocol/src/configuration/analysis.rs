//! `analysis`: when a new release is worse than the old one.

use super::{MAX_KEPT, Prometheus};
use crate::document::{Mistake, Reader, shown};
use kiln_names::Span;
use serde::{Deserialize, Serialize};

const ANALYSIS: &[&str] = &[
    "minRequests",
    "maxFailureIncrease",
    "maxSlowdown",
    "notEnoughData",
    "patience",
    "prometheus",
];
/// The most requests that may be asked for: what a router of one core answers in half a minute.
const MAX_REQUESTS: u64 = 1_000_000;

/// What a new group is measured by, beside the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// So many requests to each group are enough.
    pub min_requests: u64,
    /// How much larger the share of failed requests may be, in hundredths of a percent.
    pub failure_increase: u32,
    /// How many times as long requests may take, in percent.
    pub slowdown: u32,
    /// What follows when there were too few requests.
    pub not_enough_data: NotEnoughData,
    /// How long is waited for more of them.
    pub patience: Span,
    /// What is asked besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// What follows when there were too few requests for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotEnoughData {
    /// The deployment goes on, and its record says so.
    Pass,
    /// It waits for more, and fails if none come.
    Wait,
    /// It is taken back.
    Fail,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            min_requests: 100,
            failure_increase: 100,
            slowdown: 150,
            not_enough_data: NotEnoughData::Pass,
            patience: Span::seconds(600),
            prometheus: None,
        }
    }
}

pub(super) fn analysis(reader: &Reader<'_>) -> Result<Analysis, Mistake> {
    let fields = reader.fields(ANALYSIS)?;
    let default = Analysis::default();
    let requests = fields.read("minRequests", |count| count.whole(1..=MAX_REQUESTS))?;
    let increase =
        fields.read("maxFailureIncrease", |share| hundredths(share, 0.0, 1.0, 10_000.0))?;
    let slowdown = fields.read("maxSlowdown", |times| hundredths(times, 1.0, 100.0, 100.0))?;
    let patience = fields.read("patience", |span| span.span(Span::seconds(1)..=MAX_KEPT))?;
    Ok(Analysis {
        min_requests: requests.unwrap_or(default.min_requests),
        failure_increase: increase.unwrap_or(default.failure_increase),
        slowdown: slowdown.unwrap_or(default.slowdown),
        not_enough_data: fields
            .read("notEnoughData", not_enough_data)?
            .unwrap_or(default.not_enough_data),
        patience: patience.unwrap_or(default.patience),
        prometheus: fields.read("prometheus", super::prometheus::prometheus)?,
    })
}

/// A number within a range, kept as a whole number of its parts.
fn hundredths(reader: &Reader<'_>, least: f64, most: f64, parts: f64) -> Result<u32, Mistake> {
    let number = reader.number()?.as_f64().unwrap_or(f64::NAN);
    if !(least..=most).contains(&number) {
        return Err(reader.refuse(format!("a number from {least} to {most} is wanted")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    Ok((number * parts).round() as u32)
}

fn not_enough_data(reader: &Reader<'_>) -> Result<NotEnoughData, Mistake> {
    match reader.text()? {
        "pass" => Ok(NotEnoughData::Pass),
        "wait" => Ok(NotEnoughData::Wait),
        "fail" => Ok(NotEnoughData::Fail),
        other => {
            let known = "\"pass\", \"wait\" nor \"fail\"";
            Err(reader.refuse(format!("\"{}\" is neither {known}", shown(other))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn analysis(text: &str) -> Result<Option<Analysis>, String> {
        let params =
            DeploymentParams::parse(&format!("{{\"watch\": \"1m\", \"analysis\": {text}}}"));
        params.map(|params| params.settings.analysis).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn what_is_not_said_has_defaults() {
        assert_eq!(analysis("{}").unwrap(), Some(Analysis::default()));
        let text = r#"{"minRequests": 20, "maxFailureIncrease": 0.005, "maxSlowdown": 2,
            "notEnoughData": "wait", "patience": "1h"}"#;
        let expected = Analysis {
            min_requests: 20,
            failure_increase: 50,
            slowdown: 200,
            not_enough_data: NotEnoughData::Wait,
            patience: Span::seconds(3600),
            prometheus: None,
        };
        assert_eq!(analysis(text).unwrap(), Some(expected));
    }

    #[test]
    fn nothing_is_compared_that_nobody_waits_for() {
        let params = |more: &str| DeploymentParams::parse(&format!("{{\"analysis\": {{}}{more}}}"));
        assert!(params("").unwrap_err().to_string().contains("set `watch`"));
        let alone = params(r#", "strategy": {"type": "highlander"}"#);
        assert!(alone.unwrap_err().to_string().contains("there are none to compare with"));
        let asked = r#"{"url": "http://a/", "queries": [{"name": "a", "query": "up", "min": 1}]}"#;
        let highlander = r#""strategy": {"type": "highlander"}, "watch": "1m""#;
        let text = format!(r#"{{"analysis": {{"prometheus": {asked}}}, {highlander}}}"#);
        assert!(DeploymentParams::parse(&text).is_ok(), "that needs no old one");
        let steps = r#"[{"weight": 5, "duration": "10m"}]"#;
        let canary = format!(r#", "strategy": {{"type": "canary", "steps": {steps}}}"#);
        assert!(params(&canary).is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (r#"{"minRequest": 1}"#, "did you mean `minRequests`?"),
            (r#"{"minRequests": 0}"#, "0"),
            (r#"{"maxFailureIncrease": 2}"#, "a number from 0 to 1 is wanted"),
            (r#"{"maxSlowdown": 0.5}"#, "a number from 1 to 100 is wanted"),
            (r#"{"notEnoughData": "stop"}"#, "is neither"),
            (r#"{"patience": "0s"}"#, "0s"),
        ] {
            let mistake = analysis(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
    }
}
