//! Every verb in every state: it works, or it says why not and what would.

use super::*;
use crate::actions::{Action, Announce, EnsureImage};
use crate::plan::{Phase, PlannedAction};
use crate::{Ask, Target, Why};
use std::sync::Arc;

fn status(state: DeploymentState, direction: Direction) -> Status {
    let target = Target { app: "hello".parse().unwrap(), env: "prod".parse().unwrap() };
    let why = Why { who: "ann".to_owned(), message: String::new() };
    let request = Request { target: target.clone(), ask: Ask::Redeploy, why };
    let image = Some(kiln_names::Digest::of(b"image"));
    let action = |action: Action| PlannedAction { phase: Phase::Create, action };
    let plan = Plan {
        target,
        from: None,
        release: None,
        number: None,
        differences: Vec::new(),
        notes: Vec::new(),
        hold: false,
        actions: vec![
            action(Announce { text: "begin".to_owned() }.into()),
            action(EnsureImage { image }.into()),
        ],
    };
    Status {
        state,
        direction,
        request: Some(Arc::new(request)),
        plan: Some(Arc::new(plan)),
        ..Status::new()
    }
}

fn command(verb: &str) -> Command {
    let by = "bob".to_owned();
    match verb {
        "abort" => Command::Abort { by },
        "undo" => Command::Undo { by },
        "pause" => Command::Pause { by },
        "resume" => Command::Resume { by },
        _ => Command::Retry { by },
    }
}

#[test]
fn every_verb_in_every_state() {
    use DeploymentState::{Completed, Invalid, Paused, Preparing, Running, Stuck, Undone};
    use Direction::{Forward, Undo};
    let check = |verb: &str, state, direction, expected: &str| {
        let answer = decide(&status(state, direction), Input::Asked(command(verb)));
        let answer = match answer {
            Ok(events) => events.iter().map(Event::name).collect::<Vec<_>>().join(" "),
            Err(no) => no.to_string(),
        };
        assert_eq!(answer, expected, "{verb} while {state}");
    };
    check("abort", Preparing, Forward, "abort-asked");
    check("abort", Running, Forward, "abort-asked");
    check("abort", Running, Undo, "abort-asked");
    check("abort", Paused, Forward, "abort-asked");
    check("undo", Running, Forward, "undo-asked");
    check("undo", Paused, Forward, "undo-asked");
    check("undo", Stuck, Forward, "undo-asked");
    check("undo", Stuck, Undo, "retry-asked");
    check("retry", Stuck, Forward, "retry-asked");
    check("retry", Stuck, Undo, "retry-asked");
    let nothing = "the redeploy is stuck: nothing of it goes on; retry goes on, undo takes it back";
    check("abort", Stuck, Forward, nothing);
    let undoing = "the redeploy is running: it is being undone already; abort stops that";
    check("undo", Running, Undo, undoing);
    let early = "the redeploy is preparing: nothing has changed yet; abort ends it";
    check("undo", Preparing, Forward, early);
    let goes_on =
        |state| format!("the redeploy is {state}: it goes on; abort stops it, undo takes it back");
    for state in [Preparing, Running] {
        check("retry", state, Forward, &goes_on(state));
    }
    let paused = "the redeploy is paused: nothing of it failed; resume goes on";
    check("retry", Paused, Forward, paused);
    check("pause", Running, Forward, "pause-asked");
    check("pause", Running, Undo, "pause-asked");
    check("pause", Preparing, Forward, early);
    check("pause", Stuck, Forward, nothing);
    let already = "the redeploy is paused: a pause is asked for; resume goes on, abort stops it";
    check("pause", Paused, Forward, already);
    check("resume", Paused, Forward, "resume-asked");
    let running = "the redeploy is running: it goes on; pause stops it after its action";
    check("resume", Running, Forward, running);
    let stuck = "the redeploy is stuck: it is not paused; retry goes on, undo takes it back";
    check("resume", Stuck, Forward, stuck);
    for state in [Completed, Invalid, Undone] {
        let ended =
            format!("the redeploy is {state}: it has ended; rollback goes back, deploy goes on");
        for verb in ["abort", "undo", "retry", "pause", "resume"] {
            check(verb, state, Forward, &ended);
        }
    }
}

#[test]
fn a_failure_is_undone_held_or_left_to_a_person() {
    let check = |hold: bool, stale: bool, direction, expected: [&str; 2]| {
        let mut status = status(DeploymentState::Running, direction);
        Arc::make_mut(status.plan.as_mut().unwrap()).hold = hold;
        let failure = Box::new(Failure::of("no"));
        let events = decide(&status, Input::Failed { failure, stale }).unwrap();
        assert_eq!(events.iter().map(Event::name).collect::<Vec<_>>(), expected);
    };
    check(false, false, Direction::Forward, ["failed", "undo-asked"]);
    check(true, false, Direction::Forward, ["failed", "stuck"]);
    check(false, true, Direction::Forward, ["failed", "stuck"]);
    check(false, false, Direction::Undo, ["failed", "stuck"]);
}

#[test]
fn what_only_records_needs_nobody() {
    let mut status = status(DeploymentState::Running, Direction::Forward);
    let mut names = Vec::new();
    while let Some(event) = advance(&status) {
        names.push(event.name());
        let record = crate::journal::Record { seq: status.seq, at_ms: 0, event };
        status = status.after(&record).unwrap();
    }
    assert_eq!(names, ["intended", "finished", "intended"], "then the image has to come");
    status.state = DeploymentState::Stuck;
    assert_eq!(advance(&status), None);
}
