//! How spans are taken, and when a version counts as serving.

use crate::interrupt;
use anyhow::{Context, Result, ensure};
use kiln_load::Target;
use kiln_tests::measure::median;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// So many answers in a row, each on a connection of its own: with two instances that are balanced,
/// the old version would be among them.
const IN_A_ROW: u32 = 8;
/// How long a version may take to serve.
const PATIENCE: Duration = Duration::from_secs(60);

/// The median in milliseconds.
pub(crate) fn ms(spans: Vec<Duration>) -> f64 {
    median(spans).as_secs_f64() * 1000.0
}

/// The median in milliseconds, of a peer that may be missing.
pub(crate) fn ms_of_peer(spans: Vec<Duration>) -> Option<f64> {
    (!spans.is_empty()).then(|| ms(spans))
}

/// How long it takes until `target` serves `version` after `change` was begun: up to the first of the
/// answers after which no other version came.
pub(crate) fn until_serving(
    target: &Target,
    version: &str,
    change: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let began = Instant::now();
    change()?;
    let mut first = None;
    let mut in_a_row = 0;
    while in_a_row < IN_A_ROW {
        ensure!(began.elapsed() < PATIENCE, "{version} does not serve");
        let asked = began.elapsed();
        if serves(target, version) {
            first.get_or_insert(asked);
            in_a_row += 1;
        } else {
            (first, in_a_row) = (None, 0);
        }
    }
    first.context("there was a first one")
}

/// Whether that very version answers.
pub(crate) fn serves(target: &Target, version: &str) -> bool {
    let answer = kiln_load::get(target, "/");
    answer.is_ok_and(|answer| answer.header("x-version") == Some(version))
}

/// How long a command takes that must succeed.
pub(crate) fn command(mut command: Command) -> Result<Duration> {
    interrupt::check()?;
    let began = Instant::now();
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(took)
}

/// How long it takes until a command that must succeed prints a line.
pub(crate) fn first_line(mut command: Command) -> Result<Duration> {
    interrupt::check()?;
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut reader = BufReader::new(child.stdout.take().context("its output is a pipe")?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let took = began.elapsed();
    let status = child.wait()?;
    ensure!(status.success() && !line.is_empty(), "{command:?}: {status}, and said {line:?}");
    Ok(took)
}

#[expect(clippy::disallowed_methods, reason = "what is waited for happens in other processes")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}
