//! The names of actions are data on disk.

use super::Action;
use std::collections::BTreeSet;

/// Append a name when an action is added. A name that is missing here was changed: give the action
/// its old name as an alias first.
const EVER: &[&str] = &[
    "claim-routes",
    "cancel-retirement",
    "announce",
    "ensure-image",
    "ensure-groups",
    "apply-traffic",
    "resize-groups",
    "await-exist",
    "await-started",
    "await-startup",
    "await-stable",
    "await-routed",
    "stop-unrouted",
    "await-in-force",
    "watch",
    "retire-groups",
    "record-release",
    "free-routes",
    "remove-groups",
    "await-gone",
    "replace-instance",
    "await-replaced",
    "await-left",
    "mark-active",
    "pause",
    "run-hook",
    "analyze",
    "move-slots",
    "await-shrunk",
];

#[test]
fn every_name_that_was_ever_written_is_known() {
    let known: BTreeSet<&str> = Action::NAMES.iter().copied().collect();
    let ever: BTreeSet<&str> = EVER.iter().copied().collect();
    assert_eq!(known, ever);
    assert_eq!(known.len(), Action::NAMES.len(), "two actions share a name");
}

#[test]
fn an_action_is_stored_under_its_name() {
    let action = Action::Announce(super::Announce { text: "hello".to_owned() });
    let json = serde_json::to_string(&action).unwrap();
    assert_eq!(json, r#"{"action":"announce","text":"hello"}"#);
    assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
}

#[test]
fn an_unknown_action_is_an_error_that_names_it() {
    let error = serde_json::from_str::<Action>(r#"{"action":"levitate"}"#).unwrap_err();
    assert!(error.to_string().contains("levitate"), "{error}");
}
