//! Figures as a table of 80 columns.

use crate::figure::{Beside, Figure, Goal, Unit};

/// What the columns are.
pub(crate) fn heading() -> String {
    format!("{:<41}{:>9} {:>13} {:>6}  {}\n", "", "goal", "measured", "ratio", "")
}

/// A line for each figure, and one for each peer below it.
pub(crate) fn lines(figures: &[Figure]) -> String {
    figures.iter().map(of_figure).collect()
}

fn of_figure(figure: &Figure) -> String {
    let met = figure.goal.map(|goal| goal.met(figure.kiln));
    let own = line(figure.what, figure.goal, Some(figure.kiln), figure.unit, None, met);
    let peers = figure.peers.iter().map(|beside| of_peer(figure, beside));
    std::iter::once(own).chain(peers).collect()
}

fn of_peer(figure: &Figure, beside: &Beside) -> String {
    let ratio = figure.ratio(beside);
    let met = beside.goal.zip(ratio).map(|(goal, ratio)| goal.met(ratio));
    let what = format!("  {}", beside.peer);
    line(&what, beside.goal, beside.value, figure.unit, ratio, met)
}

fn line(
    what: &str,
    goal: Option<Goal>,
    value: Option<f64>,
    unit: Unit,
    ratio: Option<f64>,
    met: Option<bool>,
) -> String {
    let goal = goal.map(goal_text).unwrap_or_default();
    let value = value.map_or("missing".to_owned(), |n| format!("{} {}", number(n), unit.as_str()));
    let ratio = ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
    let met = match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "",
    };
    let line = format!("{what:<41}{goal:>9} {value:>13} {ratio:>6}  {met}");
    format!("{}\n", line.trim_end())
}

fn goal_text(goal: Goal) -> String {
    match goal {
        Goal::AtMost(most) => format!("≤ {}", bare(most)),
        Goal::AtLeast(least) => format!("≥ {}", bare(least)),
        Goal::OneIn(parts) => format!("≤ 1/{parts}"),
    }
}

/// As short as it is written in the goals.
fn bare(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Three digits that matter, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        n if n >= 99.95 || n == 0.0 => format!("{value:.0}"),
        n if n >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_goal_figure_ratio_and_verdict_in_80_columns() {
        let figure =
            Figure::new("ship", "one-line change to both serving it", Unit::Milliseconds, 200.4)
                .goal(Goal::AtMost(250.0))
                .beside_goal("blue/green by hand", Some(800.0), Some(Goal::OneIn(4)))
                .beside_goal("swarm", Some(4000.0), Some(Goal::OneIn(25)))
                .beside("nobody", None);
        let text = lines(&[figure]);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().rev().take(6).collect()).collect();
        assert_eq!(lines[0][..3], ["met", "ms", "200"]);
        assert_eq!(lines[1][..6], ["missed", "0.251", "ms", "800", "1/4", "≤"]);
        assert_eq!(lines[2][..2], ["missed", "0.050"]);
        assert_eq!(lines[3][..2], ["missing", "nobody"]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
