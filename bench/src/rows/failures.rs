//! A hundred ships and rollbacks while requests of every kind come at a fixed rate.

use crate::figure::{Figure, Goal, Unit};
use crate::stage::Stage;
use crate::timing::pause;
use anyhow::Result;
use kiln_load::{Allowed, Answer, Offer, Report, Running};
use std::time::Duration;

/// Requests in a second.
const RATE: u32 = 500;
/// Each is a ship and a rollback.
const TURNS: u32 = 50;
/// Of the script, whose turns are two deployments and their drains.
const TURNS_BY_HAND: u32 = 3;
/// Between two changes.
const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let kiln = on_kiln(stage)?;
    crate::say(&format!("kiln, {} changes:\n{kiln}", 2 * TURNS));
    let by_hand = with_blue_green(stage)?;
    if let Some(report) = &by_hand {
        crate::say(&format!("by hand, {} changes:\n{report}", 2 * TURNS_BY_HAND));
    }
    let figure = |row, what, unit, of: fn(&Report) -> f64| {
        Figure::new(row, what, unit, of(&kiln))
            .beside("blue/green by hand, 6 changes", by_hand.as_ref().map(of))
    };
    Ok(vec![
        figure("failures", "failed through 100 ships and rollbacks", Unit::Requests, failed)
            .goal(Goal::AtMost(0.0)),
        figure("answered", "  of the offered rate answered", Unit::Percent, answered)
            .goal(Goal::AtLeast(99.9)),
        figure("latest", "  latest answer", Unit::Milliseconds, latest).goal(Goal::AtMost(500.0)),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn failed(report: &Report) -> f64 {
    report.failures() as f64
}

fn answered(report: &Report) -> f64 {
    report.answered_percent()
}

fn latest(report: &Report) -> f64 {
    report.slowest().as_secs_f64() * 1000.0
}

/// Every answer must also be of a version that may answer at its time.
fn on_kiln(stage: &Stage) -> Result<Report> {
    let first = stage.service.change()?;
    stage.ship();
    let allowed = Allowed::only_now(&first);
    let check = allowed.clone();
    let check = move |answer: &Answer| {
        let version = answer.header("x-version").unwrap_or("none");
        check.check(version, answer.begun, answer.ended)
    };
    let running = Offer::new(stage.target(), RATE).check(check).start();
    for _ in 0..TURNS {
        let next = stage.service.change()?;
        change(&allowed, &next, || stage.ship());
        change(&allowed, &first, || {
            stage.kiln.done(["rollback", "greeter", "prod", "-m", "back"]);
        });
    }
    Ok(running.stop())
}

/// From when it is typed both may answer; once it is done only the new one.
fn change(allowed: &Allowed, version: &str, change: impl FnOnce()) {
    allowed.also(version);
    change();
    allowed.only(version);
    pause(BETWEEN);
}

/// Nothing is asked of versions here: a reload does not promise when it is in force.
fn with_blue_green(stage: &Stage) -> Result<Option<Report>> {
    let (Some(docker), Some(peer)) = (stage.docker(), stage.blue_green()) else { return Ok(None) };
    let running: Running = Offer::new(peer.target(), RATE).start();
    for _ in 0..TURNS_BY_HAND {
        let before = peer.image()?;
        stage.service.change()?;
        peer.deploy(docker, &stage.service)?;
        peer.drain(docker)?;
        peer.start_image(docker, &before)?;
        peer.drain(docker)?;
    }
    Ok(Some(running.stop()))
}
