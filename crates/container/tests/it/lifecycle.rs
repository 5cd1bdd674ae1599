//! Start, output, stop, end.

use crate::lab::{Lab, PATIENCE, status};
use kiln_container::{log_files, signal_stop};
use kiln_init::InitSpec;
use std::time::Instant;

#[tokio::test]
async fn an_instance_runs_logs_and_tells_how_it_ended() {
    let lab = Lab::new();
    let (record, log) = lab.run(&lab.shell("echo out; echo err >&2; exit 7")).await;
    assert_eq!((record.code, record.signal, record.oom_killed), (Some(7), None, false));
    assert_eq!(record.cause, "exited with code 7");
    assert!(record.started_at.unwrap() <= record.ended_at);
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["stderr F err", "stdout F out"]);
}

#[tokio::test]
async fn a_command_that_ends_before_anybody_looks_is_recorded() {
    let lab = Lab::new();
    let (record, log) = lab.run(&lab.shell("true")).await;
    assert_eq!((record.code, log.as_str()), (Some(0), ""));
}
