//! The tree as lines: a pure function of what was told, the time and the terminal's size.

use super::course::{Course, Step, StepState};
use super::groups;
use super::line::{Line, Tone, wrap};
use super::phase::{Phase, Sign, phases};
use crate::words::{clean, count, seconds};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::DeploymentState;

/// Where the column of times begins.
const NAMES: usize = 24;

/// Where the notes beside them do.
const NOTES: usize = NAMES + 11;

/// Where those about the plan do.
const NOTE: usize = 4;

/// The most lines that a reason takes.
const REASON: usize = 3;

/// The columns that it takes several lines for; with fewer it is cut.
const MIN_ROOM: usize = 20;

/// From how long on a time is told in minutes.
const LONG: u64 = 100_000;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// How much of a tree is drawn; each is shorter than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// All of it.
    Whole,
    /// What is done of the open phase is one line.
    DoneInOne,
    /// What is to come of it as well.
    OpenInOne,
    /// The phases before and after it as well.
    PhasesInOne,
    /// Nothing but the open phase.
    OpenAlone,
}

/// What fits the terminal; what is never drawn over again need not.
pub(super) fn draw(course: &Course, now: Timestamp, size: Size) -> Vec<Line> {
    use Detail::{DoneInOne, OpenAlone, OpenInOne, PhasesInOne, Whole};
    // The cursor is on the line below.
    let rows = size.rows.saturating_sub(1).max(1);
    let groups = groups::lines(course);
    let mut lines = Vec::new();
    for detail in [Whole, DoneInOne, OpenInOne, PhasesInOne, OpenAlone] {
        lines = tree(course, now, detail, size.columns);
        if lines.len() + groups.len() <= rows {
            break;
        }
        if detail == PhasesInOne && lines.len() + 2 <= rows {
            break;
        }
    }
    add_groups(&mut lines, groups, rows);
    lines.truncate(rows);
    lines.into_iter().map(|line| line.cut(size.columns.saturating_sub(1))).collect()
}

/// The groups, or as many as there is room for, the newest first.
fn add_groups(lines: &mut Vec<Line>, mut groups: Vec<Line>, rows: usize) {
    let room = rows.saturating_sub(lines.len());
    if groups.len() > room {
        let shown = room.saturating_sub(1);
        let hidden = count(groups.len() - shown, "more group");
        groups.truncate(shown);
        groups.push(Line::new(Tone::Faint, format!("  {hidden}")));
    }
    lines.extend(groups);
}

fn tree(course: &Course, now: Timestamp, detail: Detail, columns: usize) -> Vec<Line> {
    let mut lines = vec![head(course, now)];
    lines.extend(reason(course, columns));
    let phases = phases(course, now);
    let mut rest = &phases[..];
    while let [first, others @ ..] = rest {
        let same = rest.iter().take_while(|phase| phase.sign == first.sign).count();
        let folds =
            matches!(first.sign, Sign::Done | Sign::ToCome) && detail >= Detail::PhasesInOne;
        if folds && detail == Detail::OpenAlone {
            rest = &rest[same..];
        } else if folds && same > 1 {
            lines.push(folded(&rest[..same]));
            rest = &rest[same..];
        } else {
            lines.push(phase_line(first));
            if first.steps.is_empty() && detail == Detail::Whole {
                lines.extend(notes(course, columns));
            }
            lines.extend(steps(first, now, detail, columns));
            rest = others;
        }
    }
    lines
}

/// The state of the whole, for how long, and which deployment it is.
fn head(course: &Course, now: Timestamp) -> Line {
    let (sign, tone) = match course.state {
        DeploymentState::Preparing | DeploymentState::Running => (Sign::Running, Tone::Plain),
        DeploymentState::Paused => (Sign::Paused, Tone::Plain),
        DeploymentState::Completed => (Sign::Done, Tone::Good),
        DeploymentState::Invalid | DeploymentState::Undone | DeploymentState::Stuck => {
            (Sign::Failed, Tone::Bad)
        }
    };
    let until = if course.ended() { course.rests.unwrap_or(now) } else { now };
    let took = course.began.map(|began| until.since(began));
    let took = took.map(|took| if course.ended() { measured(took) } else { counted(took) });
    let state = if course.lost { "not answering" } else { head_state(course) };
    let subject = &course.subject;
    let note = format!("{} {} of {} in {}", subject.verb, subject.id, subject.app, subject.env);
    row(tone, 0, sign, state, took.as_deref(), &note)
}

const fn head_state(course: &Course) -> &'static str {
    match course.state {
        DeploymentState::Running if course.goes_back() => "being undone",
        state => state.as_str(),
    }
}

/// Why it waits or is taken back, and what a person is asked for.
fn reason(course: &Course, columns: usize) -> Vec<Line> {
    let paused = course.state == DeploymentState::Paused;
    // What failed says so in its own place.
    let failed = course.forward.iter().any(|step| matches!(step.state, StepState::Failed { .. }));
    let back = course.goes_back() && !course.ended() && !failed;
    let Some(reason) = course.reason.as_deref().filter(|_| paused || back) else {
        return Vec::new();
    };
    let (app, env) = (&course.subject.app, &course.subject.env);
    let hint = format!("kiln resume {app} {env} goes on, kiln undo {app} {env} takes it back.");
    let lines = wrap(&clean(reason), columns.saturating_sub(3), REASON).into_iter();
    let lines = lines.chain(paused.then_some(hint));
    lines.map(|line| Line::new(Tone::Strong, format!("  {line}"))).collect()
}

/// What a person may want to know of the plan.
fn notes(course: &Course, columns: usize) -> impl Iterator<Item = Line> {
    let room = columns.saturating_sub(NOTE + 1);
    let wrapped = course.notes.iter().flat_map(move |note| wrap(&clean(note), room, REASON));
    wrapped.map(|line| Line::new(Tone::Plain, format!("{:NOTE$}{line}", "")))
}

fn phase_line(phase: &Phase<'_>) -> Line {
    let took = phase.milliseconds.map(|took| match phase.is_open() {
        true => counted(took),
        false => measured(took),
    });
    row(tone(phase.sign), 2, phase.sign, phase.name, took.as_deref(), &phase.note)
}

/// Phases that are all done, or all to come, in one line.
fn folded(phases: &[Phase<'_>]) -> Line {
    let names: Vec<&str> = phases.iter().map(|phase| phase.name).collect();
    let took: Option<u64> = phases.iter().map(|phase| phase.milliseconds).sum();
    let sign = phases[0].sign;
    let actions = phases.iter().map(|phase| phase.steps.len()).sum();
    let note = format!("{}: {}", names.join(", "), count(actions, "action"));
    let title = count(phases.len(), "phase");
    row(tone(sign), 2, sign, &title, took.map(measured).as_deref(), &note)
}

/// What is to be seen of a phase: all actions of an open one, and of another what went wrong.
fn steps(phase: &Phase<'_>, now: Timestamp, detail: Detail, columns: usize) -> Vec<Line> {
    let sign_of = |step: &Step| sign(step, phase);
    let draw = |step: &Step| step_lines(step, sign_of(step), now, columns);
    if !phase.is_open() {
        let wrong = |step: &&Step| matches!(sign_of(step), Sign::Failed | Sign::Left);
        return phase.steps.iter().filter(wrong).flat_map(draw).collect();
    }
    let of = |sign| phase.steps.iter().filter(|step| sign_of(step) == sign).count();
    let folds = |sign| match sign {
        Sign::Done => detail >= Detail::DoneInOne && of(sign) > 1,
        Sign::ToCome => detail >= Detail::OpenInOne && of(sign) > 1,
        _ => false,
    };
    let mut lines = Vec::new();
    for (at, step) in phase.steps.iter().enumerate() {
        let sign = sign_of(step);
        if !folds(sign) {
            lines.extend(draw(step));
        } else if phase.steps[..at].iter().all(|before| sign_of(before) != sign) {
            let title = if sign == Sign::Done { "done" } else { "to come" };
            lines.push(row(tone(sign), 4, sign, title, None, &count(of(sign), "action")));
        }
    }
    lines
}

fn sign(step: &Step, phase: &Phase<'_>) -> Sign {
    match step.state {
        StepState::ToCome => Sign::ToCome,
        StepState::Running { .. } if phase.sign == Sign::Paused => Sign::Paused,
        StepState::Running { .. } => Sign::Running,
        StepState::Done { .. } => Sign::Done,
        StepState::Failed { .. } => Sign::Failed,
        StepState::Left { .. } => Sign::Left,
    }
}

/// An action on a line; why it failed is to be read, on a few.
fn step_lines(step: &Step, sign: Sign, now: Timestamp, columns: usize) -> Vec<Line> {
    let (took, note) = match &step.state {
        StepState::ToCome => (None, &step.summary),
        StepState::Running { since, waits } => {
            (Some(counted(now.since(*since))), waits.as_ref().unwrap_or(&step.summary))
        }
        StepState::Done { milliseconds, note, .. } => {
            (Some(measured(*milliseconds)), note.as_ref().unwrap_or(&step.summary))
        }
        StepState::Left { milliseconds, .. } => (Some(measured(*milliseconds)), &step.summary),
        StepState::Failed { milliseconds, reason, .. } => (Some(measured(*milliseconds)), reason),
    };
    let room = columns.saturating_sub(NOTES + 1);
    if sign != Sign::Failed || room < MIN_ROOM {
        return vec![row(tone(sign), 4, sign, &step.name, took.as_deref(), note)];
    }
    let mut notes = wrap(&clean(note), room, REASON).into_iter();
    let first = notes.next().unwrap_or_default();
    let first = row(tone(sign), 4, sign, &step.name, took.as_deref(), &first);
    let others = notes.map(|note| Line::new(tone(sign), format!("{:NOTES$}{note}", "")));
    std::iter::once(first).chain(others).collect()
}

const fn tone(sign: Sign) -> Tone {
    match sign {
        Sign::ToCome | Sign::Left => Tone::Faint,
        Sign::Running | Sign::Paused => Tone::Plain,
        Sign::Done => Tone::Good,
        Sign::Failed => Tone::Bad,
    }
}

/// A sign, a name and a note, with the time between them in one column for the whole tree.
fn row(tone: Tone, indent: usize, sign: Sign, name: &str, took: Option<&str>, note: &str) -> Line {
    let (sign, name, note) = (sign.text(), clean(name), clean(note));
    let width = NAMES - indent - 2;
    let took = took.unwrap_or_default();
    let text = format!("{:indent$}{sign} {name:<width$} {took:>8}  {note}", "");
    Line::new(tone, text.trim_end().to_owned())
}

/// A time that is over.
fn measured(milliseconds: u64) -> String {
    if milliseconds < LONG { seconds(milliseconds) } else { long(milliseconds) }
}

/// A time that is still counted: a second digit would only flicker.
fn counted(milliseconds: u64) -> String {
    if milliseconds < LONG {
        format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
    } else {
        long(milliseconds)
    }
}

fn long(milliseconds: u64) -> String {
    let (minutes, seconds) = (milliseconds / 60_000, milliseconds / 1000 % 60);
    match minutes {
        0..60 => format!("{minutes}m {seconds:02}s"),
        _ => format!("{}h {:02}m", minutes / 60, minutes % 60),
    }
}
