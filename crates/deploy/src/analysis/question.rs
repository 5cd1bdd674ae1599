//! What a Prometheus is asked of a new release, and what its answers mean.

use super::Verdict;
use crate::ports::Measured;
use kiln_protocol::configuration::HttpUrl;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Who is asked, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// Where the API is.
    pub url: HttpUrl,
    /// What is asked, with nothing left open.
    pub all: Vec<Question>,
}

/// An expression, and the bounds of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What people call it.
    pub name: String,
    /// The expression.
    pub query: String,
    /// How large its value is at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// How large it is at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
}

/// What an answer means.
pub(crate) fn judge(question: &Question, measured: Measured) -> Verdict {
    let name = &question.name;
    let value = match measured {
        Measured::Value(value) if value.is_nan() => {
            return Verdict::NotEnoughData(format!("{name} is not a number"));
        }
        Measured::Value(value) => value,
        Measured::Nothing(why) => return Verdict::NotEnoughData(format!("{name}: {why}")),
        Measured::Unusable(why) => return Verdict::Unusable(format!("{name}: {why}")),
    };
    let (least, most) = (bound(question.min.as_ref()), bound(question.max.as_ref()));
    let low = least.is_some_and(|least| value < least);
    let high = most.is_some_and(|most| value > most);
    let told = format!("{name} {} ({})", shown(value), question.bounds());
    if low || high { Verdict::Fail(told) } else { Verdict::Pass(told) }
}

fn bound(number: Option<&Number>) -> Option<f64> {
    number.and_then(Number::as_f64)
}

/// Six digits: what sums of fractions add behind them is noise.
fn shown(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    rounded.to_string()
}

// === impl Question ===

impl Question {
    /// "at least 1, at most 2".
    pub(crate) fn bounds(&self) -> String {
        let least = self.min.iter().map(|least| format!("at least {least}"));
        let most = self.max.iter().map(|most| format!("at most {most}"));
        least.chain(most).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_its_bounds_and_shown_with_them() {
        let check = |min: Option<u64>, max: Option<f64>, value: f64, expected| {
            let max = max.and_then(Number::from_f64);
            let (name, query) = ("errors".to_owned(), "up".to_owned());
            let question = Question { name, query, min: min.map(Number::from), max };
            assert_eq!(judge(&question, Measured::Value(value)), expected);
        };
        let pass = |text: &str| Verdict::Pass(text.to_owned());
        let fail = |text: &str| Verdict::Fail(text.to_owned());
        check(None, Some(0.3), 0.1 + 0.2 - 1e-9, pass("errors 0.3 (at most 0.3)"));
        check(None, Some(0.3), 0.4, fail("errors 0.4 (at most 0.3)"));
        check(Some(2), None, 2.0, pass("errors 2 (at least 2)"));
        check(Some(2), None, 1.999, fail("errors 1.999 (at least 2)"));
        check(Some(1), Some(2.5), 2.0, pass("errors 2 (at least 1, at most 2.5)"));
        check(None, Some(1.0), f64::INFINITY, fail("errors inf (at most 1.0)"));
        check(Some(1), None, f64::INFINITY, pass("errors inf (at least 1)"));
        let none = Verdict::NotEnoughData("errors is not a number".to_owned());
        check(None, Some(1.0), f64::NAN, none);
    }
}
