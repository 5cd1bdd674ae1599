//! The memory that is held at rest: proportional set sizes.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Docker;
use crate::stage::Stage;
use anyhow::{Context, Result};
use kiln_tests::Part;
use kiln_tests::measure::memory;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let part = |part| memory::of_part(&stage.kiln, part).map(megabytes);
    let shim = memory::of_shim(stage.kiln.data()).map(megabytes).context("no shim runs")?;
    let dockerd = stage.docker().map(|docker| sum(&docker.pids()));
    let containerd_shim = stage.docker().map(shim_of).transpose()?.flatten();
    let figure = |row, what, kiln, goal: f64| {
        Figure::new(row, what, Unit::Megabytes, kiln).goal(Goal::AtMost(goal))
    };
    let server = part(Part::Server).context("no server runs")?;
    let router = part(Part::Router).context("no router runs")?;
    Ok(vec![
        figure("memory-server", "memory of the server", server, 60.0)
            .beside("dockerd and containerd", dockerd),
        figure("memory-router", "memory of the router", router, 20.0),
        figure("memory-shim", "memory of the largest shim", shim, 5.0)
            .beside("containerd-shim", containerd_shim),
    ])
}

/// Of the shim of one container.
fn shim_of(docker: &Docker) -> Result<Option<f64>> {
    let id = docker.say(["run", "--detach", "base", "sleep", "60"])?;
    let shims = pids_with(&["containerd-shim", &id]);
    let held = shims.into_iter().filter_map(memory::held).max().map(megabytes);
    docker.remove(&[&id])?;
    Ok(held)
}

/// Processes whose command lines have all those words.
fn pids_with(words: &[&str]) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let says = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        words.iter().all(|word| line.contains(word))
    };
    pids.filter(says).collect()
}

fn sum(pids: &[i32]) -> f64 {
    megabytes(pids.iter().copied().filter_map(memory::held).sum())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memory are below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
