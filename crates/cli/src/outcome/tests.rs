//! What is shown of deployments that did not do what was asked.

use super::*;
use kiln_names::{AppName, DeploymentId, EnvName, InstanceId};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::Failure;

fn deployment(state: DeploymentState) -> Deployment {
    Deployment {
        id: DeploymentId::from_random([1, 2, 3, 4, 5, 6]),
        app: AppName::parse("hello").unwrap(),
        env: EnvName::parse("prod").unwrap(),
        verb: "deploy".to_owned(),
        state,
        reason: None,
        hint: None,
        release: None,
        from: None,
        image: None,
        version: None,
        config: None,
        message: "m".to_owned(),
        user: "ada".to_owned(),
        started: Timestamp(1_000),
        ended: Some(Timestamp(1_210)),
        differences: Vec::new(),
        actions: Vec::new(),
        failure: None,
        memory: Vec::new(),
        seq: 1,
    }
}

#[test]
fn a_failure_shows_check_log_and_what_to_type_next() {
    let failed = Deployment {
        reason: Some("no instance passed its start-up check in 60s".to_owned()),
        hint: Some("kiln logs hello prod --instance 0a0b0c0d0e0f".to_owned()),
        failure: Some(Failure {
            action: "await start-up checks".to_owned(),
            reason: "no instance passed its start-up check in 60s".to_owned(),
            last_check: Some("503 Service Unavailable".to_owned()),
            group: None,
            exit: Some("exited with code 1".to_owned()),
            instance: Some(InstanceId::parse("0a0b0c0d0e0f").unwrap()),
            log: vec!["Traceback".to_owned(), "\u{1b}[31mboom".to_owned()],
        }),
        ..deployment(DeploymentState::Undone)
    };
    expect_test::expect![[r"
        error: deployment 010203040506 of hello in prod failed and was undone: no instance passed its start-up check in 60s.
          last check: 503 Service Unavailable
          exit: exited with code 1
          last lines of instance 0a0b0c0d0e0f
          | Traceback
          |  [31mboom
        hint: kiln logs hello prod --instance 0a0b0c0d0e0f
    "]]
    .assert_eq(&failure(&failed, Exit::Undone).text());
}

#[test]
fn stuck_without_advice_names_the_two_ways_out() {
    let text = failure(&deployment(DeploymentState::Stuck), Exit::Stuck).text();
    assert!(text.ends_with("hint: kiln retry hello prod, or kiln undo hello prod\n"), "{text}");
}

#[test]
fn success_is_one_sentence_with_its_time() {
    let done = deployment(DeploymentState::Completed);
    assert_eq!(success(&done), "hello prod: deploy done in 0.21 s.");
}
