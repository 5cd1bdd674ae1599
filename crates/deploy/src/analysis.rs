//! Whether a new group is worse than the old one, by what the traffic counted of both. Pure.
//!
//! * **Failures.** The shares of failed requests are compared, one-sided: the new group's is worse
//!   when it lies above the old one's by more than is allowed, with an error of 1 %. One success and one
//!   failure are added to each sample, which keeps the test honest where nothing has failed yet. (Agresti
//!   and Caffo, *Simple and effective confidence intervals for proportions and differences of
//!   proportions*, The American Statistician 54, 2000.)
//! * **Times.** For p50, p95 and p99 the old group says what they are. In the new group as many
//!   requests as before may take longer than that, times what is allowed: half, a twentieth, a
//!   hundredth. More of them, with an error of 1 %, are a slowdown. Nothing is assumed about how times
//!   are distributed. A quantile is left out that fewer than five requests lie beyond: the normal
//!   distribution, by which the error is told, does not hold there. (Cochran, *Some methods for
//!   strengthening the common χ² tests*, Biometrics 10, 1954.)

mod question;

pub(crate) use question::judge;
pub use question::{Question, Questions};

use kiln_engine::Figures;
use kiln_protocol::configuration::Analysis;
use std::time::Duration;

/// The normal distribution leaves 1 % above it.
const Z: f64 = 2.326;
/// What is looked at of the times.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];
/// So many requests have to be expected beyond a quantile.
const BEYOND: f64 = 5.0;

/// What the figures say, with the numbers that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass(String),
    Fail(String),
    NotEnoughData(String),
    /// What is asked for cannot be told, now or later.
    Unusable(String),
}

/// Compares a new group with the old one.
pub(crate) fn verdict(by: &Analysis, new: &Figures, old: &Figures) -> Verdict {
    let fewest = new.requests.min(old.requests);
    if fewest < by.min_requests {
        return Verdict::NotEnoughData(format!(
            "{} requests to the new group and {} to the old one, of {} that are enough",
            new.requests, old.requests, by.min_requests
        ));
    }
    let times = QUANTILES.iter().filter_map(|quantile| slower(by, *quantile, new, old));
    let all: Vec<(bool, String)> = std::iter::once(failures(by, new, old)).chain(times).collect();
    let told = |which: &dyn Fn(bool) -> bool| {
        let texts = all.iter().filter(|(worse, _)| which(*worse)).map(|(_, text)| text.as_str());
        texts.collect::<Vec<_>>().join(", ")
    };
    let of = format!("of {} requests", new.requests);
    match all.iter().any(|(worse, _)| *worse) {
        true => Verdict::Fail(format!("{of}: {}", told(&|worse| worse))),
        false => Verdict::Pass(format!("{of}: {}", told(&|_| true))),
    }
}

/// Whether more requests fail, and the words for it.
fn failures(by: &Analysis, new: &Figures, old: &Figures) -> (bool, String) {
    let allowed = f64::from(by.failure_increase) / 10_000.0;
    let ((p, m), (q, n)) = (adjusted(new), adjusted(old));
    let deviation = (p * (1.0 - p) / m + q * (1.0 - q) / n).sqrt();
    let z = (p - q - allowed) / deviation;
    // Figures that make no sense are no sign of health.
    let worse = z.is_nan() || z > Z;
    let (now, before) = (percent(share(new)), percent(share(old)));
    (worse, format!("failed {now} (old {before}, {} more allowed)", percent(allowed)))
}

/// Whether a quantile is slower, and the words for it; nothing where that cannot be told.
fn slower(
    by: &Analysis,
    (quantile, name): (f64, &str),
    new: &Figures,
    old: &Figures,
) -> Option<(bool, String)> {
    let (beyond, all) = (1.0 - quantile, number(new.requests));
    if all * beyond < BEYOND {
        return None;
    }
    let (before, now) = (old.quantile(quantile)?, new.quantile(quantile)?);
    let limit = before.mul_f64(f64::from(by.slowdown) / 100.0);
    let slow = number(new.no_faster_than(limit)) / all;
    let worse = (slow - beyond) / (beyond * quantile / all).sqrt() > Z;
    let (now, before, limit) = (shown(now), shown(before), shown(limit));
    Some((worse, format!("{name} {now} (old {before}, {limit} allowed)")))
}

/// The share of failed requests with one success and one failure more, and of how many.
fn adjusted(figures: &Figures) -> (f64, f64) {
    let all = number(figures.requests) + 2.0;
    ((number(figures.failed) + 1.0) / all, all)
}

fn share(figures: &Figures) -> f64 {
    number(figures.failed) / number(figures.requests).max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "shares need no more than 52 bits")]
const fn number(count: u64) -> f64 {
    count as f64
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::GroupId;

    fn figures(requests: u64, failed: u64, times: &[(u64, u64)]) -> Figures {
        let group = GroupId::from_random([1; 4]);
        Figures { group, by: 0, requests, failed, times: times.to_vec() }
    }

    fn of(new: &Figures, old: &Figures) -> Verdict {
        verdict(&Analysis::default(), new, old)
    }

    /// All as fast as each other.
    const FAST: &[(u64, u64)] = &[(8_000, 0), (10_000, 1_000)];

    #[test]
    fn too_few_requests_are_no_verdict() {
        let (few, many) = (figures(99, 50, &[]), figures(5_000, 0, &[]));
        assert!(matches!(of(&few, &many), Verdict::NotEnoughData(text) if text.contains("99")));
        assert!(matches!(of(&many, &few), Verdict::NotEnoughData(_)));
    }

    #[test]
    fn as_good_as_before_passes_and_says_by_which_numbers() {
        let verdict = of(&figures(1_000, 2, FAST), &figures(10_000, 20, FAST));
        let Verdict::Pass(text) = verdict else { panic!("{verdict:?}") };
        let expected = "of 1000 requests: failed 0.20 % (old 0.20 %, 1.00 % more allowed), \
            p50 10 ms (old 10 ms, 15 ms allowed), p95 10 ms (old 10 ms, 15 ms allowed), \
            p99 10 ms (old 10 ms, 15 ms allowed)";
        assert_eq!(text, expected);
    }

    #[test]
    fn one_failure_of_a_hundred_requests_is_chance_and_ten_are_not() {
        let old = figures(10_000, 0, &[]);
        assert!(matches!(of(&figures(100, 1, &[]), &old), Verdict::Pass(_)));
        assert!(matches!(of(&figures(100, 4, &[]), &old), Verdict::Pass(_)));
        let worse = of(&figures(100, 10, &[]), &old);
        assert!(
            matches!(&worse, Verdict::Fail(text) if text.contains("failed 10.00 %")),
            "{worse:?}"
        );
    }

    #[test]
    fn figures_that_make_no_sense_are_no_reason_to_go_on() {
        let (twice, old) = (figures(200, 400, &[]), figures(10_000, 0, &[]));
        assert!(matches!(of(&twice, &old), Verdict::Fail(_)));
    }

    #[test]
    fn what_failed_before_may_fail_as_often_and_not_much_more() {
        let old = figures(10_000, 3_000, &[]);
        assert!(matches!(of(&figures(1_000, 300, &[]), &old), Verdict::Pass(_)));
        assert!(matches!(of(&figures(1_000, 400, &[]), &old), Verdict::Fail(_)));
        assert!(matches!(of(&figures(1_000, 0, &[]), &old), Verdict::Pass(_)));
    }

    #[test]
    fn a_tail_that_grew_is_seen_where_the_middle_is_as_before() {
        let old = figures(10_000, 0, &[(10_000, 9_500), (20_000, 500)]);
        let new = figures(1_000, 0, &[(10_000, 900), (40_000, 0), (80_000, 100)]);
        let verdict = of(&new, &old);
        let Verdict::Fail(text) = &verdict else { panic!("{verdict:?}") };
        assert!(text.contains("p95 80 ms (old 10 ms, 15 ms allowed)"), "{text}");
        assert!(!text.contains("p50"), "{text}");
        // A few slow ones are within what the quantile allows.
        let few = figures(1_000, 0, &[(10_000, 960), (40_000, 0), (80_000, 5)]);
        assert!(matches!(of(&few, &old), Verdict::Pass(_)));
    }

    #[test]
    fn a_quantile_that_hardly_a_request_lies_beyond_is_left_out() {
        let old = figures(10_000, 0, FAST);
        let Verdict::Pass(text) = of(&figures(100, 0, FAST), &old) else { panic!() };
        assert!(text.contains("p95") && !text.contains("p99"), "{text}");
    }
}
