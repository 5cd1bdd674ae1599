//! `scale`: how many instances there are between `min` and `max`.

use super::MAX_CHECK;
use crate::document::{Mistake, Reader};
use kiln_names::Span;
use serde::{Deserialize, Serialize};

const SCALE: &[&str] = &["cpu", "inFlight", "requests", "scaleInAfter"];
/// The most that one instance can be asked to carry.
const MOST: u32 = 1_000_000;
/// How long fewer would do before there are fewer, where nothing is said.
const SCALE_IN_AFTER: Span = Span::seconds(300);

/// What the number of instances follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// What is measured.
    pub by: ScaleBy,
    /// How much of it each instance is to have.
    pub target: u32,
    /// How long fewer instances would do before there are fewer.
    pub scale_in_after: Span,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleBy {
    /// Processor time, in percent of the limit.
    Cpu,
    /// Requests in flight.
    InFlight,
    /// Requests in a second.
    Requests,
}

pub(super) fn scale(reader: &Reader<'_>) -> Result<Scale, Mistake> {
    let fields = reader.fields(SCALE)?;
    let cpu = fields.read("cpu", |percent| percent.whole(1..=100_u32))?;
    let in_flight = fields.read("inFlight", |count| count.whole(1..=MOST))?;
    let requests = fields.read("requests", |count| count.whole(1..=MOST))?;
    let (by, target) = match (cpu, in_flight, requests) {
        (Some(target), None, None) => (ScaleBy::Cpu, target),
        (None, Some(target), None) => (ScaleBy::InFlight, target),
        (None, None, Some(target)) => (ScaleBy::Requests, target),
        _ => {
            let why = "one of `cpu`, `inFlight` and `requests` says what each instance is to have";
            return Err(reader.refuse(why));
        }
    };
    let after = fields.read("scaleInAfter", |span| span.span(Span::seconds(1)..=MAX_CHECK))?;
    Ok(Scale { by, target, scale_in_after: after.unwrap_or(SCALE_IN_AFTER) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn scale(text: &str) -> Result<Option<Scale>, String> {
        let params =
            DeploymentParams::parse(&format!("{{\"min\": 2, \"max\": 8, \"scale\": {text}}}"));
        let params = params.map_err(|mistake| mistake.to_string())?;
        let name = |text: &str| text.to_owned();
        let resolved = params.resolve(
            &name("hello").parse().unwrap(),
            &name("prod").parse().unwrap(),
            &name("web").parse().unwrap(),
            true,
        );
        Ok(resolved.scale)
    }

    #[test]
    fn one_thing_is_followed() {
        let of = |by, target, seconds| Scale { by, target, scale_in_after: Span::seconds(seconds) };
        assert_eq!(scale(r#"{"cpu": 60}"#).unwrap(), Some(of(ScaleBy::Cpu, 60, 300)));
        let text = r#"{"requests": 50, "scaleInAfter": "1m"}"#;
        assert_eq!(scale(text).unwrap(), Some(of(ScaleBy::Requests, 50, 60)));
        assert_eq!(scale(r#"{"inFlight": 10}"#).unwrap(), Some(of(ScaleBy::InFlight, 10, 300)));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            ("{}", "one of `cpu`, `inFlight` and `requests`"),
            (r#"{"cpu": 60, "requests": 5}"#, "one of `cpu`, `inFlight` and `requests`"),
            (r#"{"cpu": 0}"#, "from 1 to 100"),
            (r#"{"cpu": 101}"#, "from 1 to 100"),
            (r#"{"memory": 50}"#, "unknown key `memory`"),
            (r#"{"cpu": 60, "scaleInAfter": "0s"}"#, "0s"),
        ] {
            let mistake = scale(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
        let none = DeploymentParams::parse(r#"{"min": 0, "max": 3, "scale": {"cpu": 60}}"#);
        assert!(none.unwrap_err().to_string().contains("`min` is to be 1 or more"));
        let narrow = DeploymentParams::parse(r#"{"min": 2, "scale": {"cpu": 60}}"#);
        assert!(narrow.unwrap_err().to_string().contains("`max` is to be more than `min`"));
    }
}
