//! Many instances of a program that starts in a millisecond, for each of them.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Docker;
use crate::stage::Stage;
use crate::timing::{command, ms, ms_of_peer};
use anyhow::{Context, Result};
use kiln_tests::{Kiln, Project, until};
use std::time::{Duration, Instant};

/// As many as the goal speaks of.
const INSTANCES: u32 = 64;
/// As many as Docker starts at once: it takes as long for each, and seconds for all.
const CONTAINERS: u32 = 16;
/// The old ones go at once: 128 at a time are not what is measured.
const PARAMS: &str = r#"{"min": 64, "memory": "16MiB", "cpu": 0.05, "pids": 64, "keepWarm": "0s"}"#;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let project = Project::serving(&stage.kiln, "many", "many 0\n");
    let _put = stage.kiln.put("many", "deployment-params.json", PARAMS).exits(0);
    let (mut kiln, mut docker) = (Vec::new(), Vec::new());
    for n in 0..stage.rounds {
        project.says(&format!("many {n}\n"));
        let version = n.to_string();
        stage.kiln.done(["bake", "many", &version, "--dir", project.dir()]);
        let image = format!("many:{version}");
        let deploy = ["deploy", "many", "prod", &image, "-m", "measured", "--json"];
        kiln.push(command(stage.kiln.command(deploy))? / INSTANCES);
        await_alone(&stage.kiln);
        docker.extend(stage.docker().map(with_docker).transpose()?);
    }
    stage.kiln.done(["stop", "many", "prod", "-m", "measured"]);
    let what = "deployment of 64 instances, for each";
    let figure = Figure::new("many", what, Unit::Milliseconds, ms(kiln))
        .goal(Goal::AtMost(15.0))
        .beside("docker run, 16 at once, for each", ms_of_peer(docker));
    Ok(vec![figure])
}

/// Waits until the version before has gone.
fn await_alone(kiln: &Kiln) {
    until("the old instances are gone", Duration::from_secs(120), || {
        kiln.list(["instances", "many", "prod"]).len() == INSTANCES as usize
    });
}

fn with_docker(docker: &Docker) -> Result<Duration> {
    let names: Vec<String> = (0..CONTAINERS).map(|n| format!("many-{n}")).collect();
    let began = Instant::now();
    let running: Result<Vec<_>> = names.iter().map(|name| run(docker, name)).collect();
    for mut container in running? {
        container.wait().context("wait for docker run")?;
    }
    let took = began.elapsed() / CONTAINERS;
    docker.remove(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(took)
}

fn run(docker: &Docker, name: &str) -> Result<std::process::Child> {
    let run = ["run", "--detach", "--name", name, "--memory", "16m", "base", "sleep", "60"];
    let mut command = docker.command(run);
    command.stdout(std::process::Stdio::null()).spawn().context("run docker run")
}
