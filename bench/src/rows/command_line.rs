//! The command line itself.

use crate::figure::{Figure, Goal, Unit};
use crate::stage::Stage;
use crate::timing::{command, ms, ms_of_peer};
use anyhow::Result;
use std::time::Duration;

/// Commands are quick: a round takes several.
const A_ROUND: u32 = 4;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    Ok(vec![
        row(stage, ("version", "kiln --version", 5.0), &["--version"], "docker --version")?,
        row(stage, ("status", "kiln status", 20.0), &["status"], "docker ps")?,
    ])
}

/// A command beside one of Docker's that says as much.
fn row(
    stage: &Stage,
    (name, what, goal): (&'static str, &'static str, f64),
    words: &[&str],
    peer: &'static str,
) -> Result<Figure> {
    let (mut kiln, mut docker): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds * A_ROUND {
        kiln.push(command(stage.kiln.command(words))?);
        if let Some(client) = stage.docker() {
            docker.push(command(client.command(peer.split(' ').skip(1)))?);
        }
    }
    Ok(Figure::new(name, what, Unit::Milliseconds, ms(kiln))
        .goal(Goal::AtMost(goal))
        .beside(peer, ms_of_peer(docker)))
}
