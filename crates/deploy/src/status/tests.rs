//! Every transition, and what cannot be one.

use super::*;
use crate::actions::{Action, Announce};
use crate::plan::Phase;
use crate::ports::ProblemKind;
use crate::{Ask, Target, Why};
use DeploymentState::{Completed, Invalid, Paused, Preparing, Running, Stuck, Undone};

fn request() -> Request {
    let target = Target { app: "hello".parse().unwrap(), env: "prod".parse().unwrap() };
    let why = Why { who: "ann".to_owned(), message: String::new() };
    Request { target, ask: Ask::Redeploy, why }
}

fn action(text: &str) -> PlannedAction {
    let action = Action::Announce(Announce { text: text.to_owned() });
    PlannedAction { phase: Phase::Create, action }
}

fn plan(actions: usize) -> Box<Plan> {
    Box::new(Plan {
        target: request().target,
        from: None,
        release: None,
        number: None,
        differences: Vec::new(),
        notes: Vec::new(),
        hold: false,
        actions: (0..actions).map(|at| action(&at.to_string())).collect(),
    })
}

/// Events by one letter each; a digit before a letter is its action's place.
fn events(text: &str) -> Vec<Event> {
    let mut index = 0;
    let mut events = Vec::new();
    for letter in text.chars() {
        let (action, by) = (String::new(), "bob".to_owned());
        events.push(match letter {
            '0'..='9' => {
                index = usize::try_from(letter.to_digit(10).unwrap()).unwrap();
                continue;
            }
            'r' => Event::Requested { request: request() },
            'p' => Event::PrepareStepDone { step: String::new(), note: None },
            'x' => Event::Refused {
                step: String::new(),
                kind: ProblemKind::Invalid,
                reason: "no".to_owned(),
            },
            's' => Event::Sealed { plan: plan(2) },
            'i' => Event::Intended { index, action },
            'f' => Event::Finished { index, action, note: None, took_ms: 1 },
            'e' => Event::Failed { index, action, failure: Box::default() },
            'S' => Event::Stuck { reason: "why".to_owned() },
            'A' => Event::AbortAsked { by },
            'U' => {
                let actions = vec![self::action("back")];
                Event::UndoAsked { by: Some(by), reason: "undone by bob".to_owned(), actions }
            }
            'P' => Event::PauseAsked { by },
            'G' => Event::ResumeAsked { by },
            'R' => Event::RetryAsked { by },
            'C' => Event::Completed,
            'D' => Event::Undone,
            _ => panic!("{letter} is no event"),
        });
    }
    events
}

fn fold(text: &str) -> Result<Status, IllegalTransition> {
    events(text).into_iter().try_fold(Status::new(), |status, event| {
        let seq = status.seq;
        status.after(&Record { seq, at_ms: seq, event })
    })
}

#[test]
fn events_add_up() {
    let check = |text: &str, state, reason: Option<&str>| {
        let status = fold(text).unwrap();
        assert_eq!((status.state, status.reason.as_deref()), (state, reason), "{text}");
        assert_eq!(status.seq, events(text).len() as u64);
    };
    check("r", Preparing, None);
    check("rpp", Preparing, None);
    check("rpx", Invalid, Some("no"));
    check("rA", Invalid, Some("aborted by bob"));
    check("rs", Running, None);
    check("rs0i0f1i1fC", Completed, None);
    check("rs0iA", Stuck, Some("aborted by bob"));
    check("rs0i0eS", Stuck, Some("why"));
    check("rs0i0eSR0i0f1i1fC", Completed, None);
    check("rs0i0eU0i0fD", Undone, Some("undone by bob"));
    check("rs0iU0i0eSR0i0fD", Undone, Some("undone by bob"));
    check("rsP", Paused, Some("paused by bob"));
    check("rs0iP", Running, None);
    check("rs0iP0f", Paused, Some("paused by bob"));
    check("rs0iP0fG1i1fC", Completed, None);
    check("rs0iPG0f1i", Running, None);
    check("rs0i0f1iP1fC", Completed, None);
    check("rs0iP0fA", Stuck, Some("aborted by bob"));
    check("rs0iP0fU0i0fD", Undone, Some("undone by bob"));
    check("rs0i0eSU", Running, Some("undone by bob"));
    check("rs0iU0iAU0i0fD", Undone, Some("undone by bob"));
}

#[test]
fn what_cannot_have_happened_is_an_error() {
    let check = |text: &str, expected: &str| {
        assert_eq!(fold(text).unwrap_err().to_string(), expected, "{text}");
    };
    check("p", "record 0: prepare-step-done cannot follow preparing, action 0");
    check("rr", "record 1: requested cannot follow preparing, action 0");
    check("rs1i", "record 2: intended cannot follow running, action 0");
    check("rs0f", "record 2: finished cannot follow running, action 0");
    check("rs0i0i", "record 3: intended cannot follow running, action 0");
    check("rs0i0f0f", "record 4: finished cannot follow running, action 1");
    check("rsC", "record 2: completed cannot follow running, action 0");
    check("rs0i0f1i1fD", "record 6: undone cannot follow running, action 2");
    check("rs0i0f1i1fCU", "record 7: undo-asked cannot follow completed, action 2");
    check("rxR", "record 2: retry-asked cannot follow invalid, action 0");
    check("rsR", "record 2: retry-asked cannot follow running, action 0");
    check("rs0iP0f1i", "record 5: intended cannot follow paused, action 1");
    check("rsx", "record 2: refused cannot follow running, action 0");
}

#[test]
fn an_undo_remembers_how_far_the_plan_came() {
    assert_eq!(fold("rs").unwrap().reached, 0);
    assert_eq!(fold("rs0i").unwrap().reached, 1);
    assert_eq!(fold("rs0i0f1iA").unwrap().reached, 2);
    assert_eq!(fold("rs0i0f1iU0i").unwrap().reached, 2, "its own actions do not count");
}
