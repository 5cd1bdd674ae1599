//! Phases: runs of actions that belong together.

use super::course::{Course, Step, StepState};
use crate::words::count;
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::DeploymentState;

/// How it is with an action or a phase: what its sign says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    ToCome,
    Running,
    Paused,
    Done,
    Failed,
    Left,
}

impl Sign {
    /// As it is drawn; told apart without colour.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::ToCome => "○",
            Self::Running => "●",
            Self::Paused => "‖",
            Self::Done => "✓",
            Self::Failed => "✗",
            Self::Left => "-",
        }
    }
}

/// A part of a deployment.
#[derive(Debug)]
pub(super) struct Phase<'a> {
    pub(super) name: &'a str,
    pub(super) sign: Sign,
    pub(super) milliseconds: Option<u64>,
    pub(super) steps: &'a [Step],
    /// What is to be known of it.
    pub(super) note: String,
}

impl Phase<'_> {
    /// Whether what it consists of is to be seen.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.sign, Sign::Running | Sign::Paused)
    }
}

/// All phases in order, the preparation first. Of a plan that was given up, those that it never
/// reached are left out.
pub(super) fn phases(course: &Course, now: Timestamp) -> Vec<Phase<'_>> {
    let mut all = vec![preparation(course, now)];
    let forward = runs(&course.forward).map(|steps| phase(course, steps, now, course.goes_back()));
    all.extend(forward.filter(|phase| {
        let given_up = course.goes_back() || course.ended();
        !(given_up && phase.sign == Sign::ToCome)
    }));
    all.extend(runs(&course.back).map(|steps| phase(course, steps, now, false)));
    all
}

fn runs(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|one, next| one.phase == next.phase)
}

fn preparation(course: &Course, now: Timestamp) -> Phase<'_> {
    let sign = match (course.sealed, course.state) {
        (Some(_), _) | (None, DeploymentState::Completed | DeploymentState::Undone) => Sign::Done,
        (None, DeploymentState::Invalid) => Sign::Failed,
        (None, _) => Sign::Running,
    };
    let until = course.sealed.or(course.rests).unwrap_or(now);
    let milliseconds = course.began.map(|began| until.since(began));
    let note = match (course.sealed, course.release) {
        (Some(_), release) => release.map(|release| release.short()),
        (None, _) => course.preparing.clone(),
    };
    Phase { name: "prepare", sign, milliseconds, steps: &[], note: note.unwrap_or_default() }
}

fn phase<'a>(course: &Course, steps: &'a [Step], now: Timestamp, given_up: bool) -> Phase<'a> {
    let sign = sign(course, steps, given_up);
    let began = steps.iter().find_map(Step::began);
    let until = match sign {
        Sign::Running | Sign::Paused => Some(now),
        _ => steps.iter().filter_map(Step::ended).max(),
    };
    let milliseconds = began.zip(until).map(|(began, until)| until.since(began));
    let note = match (steps.len(), sign) {
        (all, Sign::Done | Sign::ToCome) => count(all, "action"),
        (all, _) => {
            let done = steps.iter().filter(|step| matches!(step.state, StepState::Done { .. }));
            format!("{} of {}", done.count(), count(all, "action"))
        }
    };
    Phase { name: &steps[0].phase, sign, milliseconds, steps, note }
}

fn sign(course: &Course, steps: &[Step], given_up: bool) -> Sign {
    let any = |is: fn(&StepState) -> bool| steps.iter().any(|step| is(&step.state));
    let begun = steps.iter().any(|step| !matches!(step.state, StepState::ToCome));
    if any(|state| matches!(state, StepState::Failed { .. })) {
        Sign::Failed
    } else if any(|state| matches!(state, StepState::Left { .. })) {
        Sign::Left
    } else if !any(|state| !matches!(state, StepState::Done { .. })) {
        Sign::Done
    } else if !begun {
        Sign::ToCome
    } else if given_up || course.ended() {
        Sign::Left
    } else if course.state == DeploymentState::Paused {
        Sign::Paused
    } else {
        Sign::Running
    }
}
