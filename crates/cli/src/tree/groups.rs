//! The groups beneath the tree: who has how much of the traffic, and how their instances are.

use super::course::Course;
use super::line::{Line, Tone};
use crate::words::clean;
use kiln_protocol::status::{Group, GroupState, Instance};

/// The longest version that is shown; what follows matters more.
const VERSION: usize = 20;

/// States of instances besides healthy, in the order in which they are told.
const STATES: [&str; 5] = ["pending", "starting", "unhealthy", "draining", "exited"];

/// One line per group, by process, the newest first.
pub(super) fn lines(course: &Course) -> Vec<Line> {
    let mut groups: Vec<&Group> = course.groups.iter().collect();
    groups.sort_by(|one, other| one.process.cmp(&other.process));
    let rows: Vec<[String; 5]> = groups.iter().map(|group| row(course, group)).collect();
    let width = |column: usize| {
        rows.iter().map(|row| console::measure_text_width(&row[column])).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |(group, [process, number, version, state, weight]): (&&Group, &[String; 5])| {
        let [a, b, c, d, e] = widths;
        let health = health(course, group);
        let text = format!(
            "  {process:<a$}  {number:<b$}  {version:<c$}  {state:<d$}  {weight:>e$}  {health}"
        );
        Line::new(tone(group), text)
    };
    groups.iter().zip(&rows).map(line).collect()
}

const fn tone(group: &Group) -> Tone {
    match group.state {
        GroupState::Active => Tone::Strong,
        GroupState::Warm | GroupState::Gone => Tone::Faint,
        GroupState::Starting | GroupState::Ready | GroupState::Draining => Tone::Plain,
    }
}

fn row(course: &Course, group: &Group) -> [String; 5] {
    let weight = group.weight.map_or_else(|| "-".to_owned(), |weight| format!("{weight} %"));
    [
        group.process.to_string(),
        number(course, group).to_owned(),
        version(course, group),
        group.state.as_str().to_owned(),
        weight,
    ]
}

/// The group's name without what stands above it and beside it.
fn number<'a>(course: &Course, group: &'a Group) -> &'a str {
    let (app, env) = (&course.subject.app, &course.subject.env);
    let known = format!("{app}-{env}-{}-", group.process);
    group.name.as_str().strip_prefix(&known).unwrap_or(group.name.as_str())
}

fn version(course: &Course, group: &Group) -> String {
    let Some(version) = &group.version else { return group.release.short() };
    let app = format!("{}:", course.subject.app);
    let version = clean(version.strip_prefix(&app).unwrap_or(version));
    console::truncate_str(&version, VERSION, "…").into_owned()
}

/// `healthy 1/2, 1 starting: connection refused, 3 in flight`.
fn health(course: &Course, group: &Group) -> String {
    let mut text = format!("healthy {}/{}", group.healthy, group.size);
    let own: Vec<&Instance> =
        course.instances.iter().filter(|instance| instance.group == group.name).collect();
    for state in STATES {
        let in_state = || own.iter().filter(|instance| instance.state == state);
        let number = in_state().count();
        if number == 0 {
            continue;
        }
        text.push_str(&format!(", {number} {state}"));
        let says = |instance: &&&Instance| {
            let says = instance.exit.as_ref().or(instance.last_check.as_ref());
            says.map(|says| clean(says))
        };
        let says = in_state().rev().find_map(|instance| says(&instance));
        if let Some(says) = says.filter(|_| matches!(state, "starting" | "unhealthy" | "exited")) {
            text.push_str(&format!(": {says}"));
        }
    }
    if let Some(in_flight) = group.in_flight.filter(|in_flight| *in_flight > 0) {
        text.push_str(&format!(", {in_flight} in flight"));
    }
    text
}
