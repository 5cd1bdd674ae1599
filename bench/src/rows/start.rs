//! One instance, from its specification until its process runs.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::Docker;
use crate::stage::Stage;
use crate::timing::{command, ms, ms_of_peer};
use anyhow::{Context, Result};
use kiln_tests::Project;
use kiln_tests::measure::span;
use std::time::Duration;

const PARAMS: &str = r#"{"min": 1, "memory": "64MiB", "keepWarm": "0s"}"#;

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let project = Project::serving(&stage.kiln, "one", "one 0\n");
    let _put = stage.kiln.put("one", "deployment-params.json", PARAMS).exits(0);
    let (mut kiln, mut docker) = (Vec::new(), Vec::new());
    for n in 0..stage.rounds {
        project.says(&format!("one {n}\n"));
        let image = format!("one:{n}");
        stage.kiln.done(["bake", "one", &n.to_string(), "--dir", project.dir()]);
        let said = stage.kiln.json(["deploy", "one", "prod", &image, "-m", "measured"]);
        kiln.push(span(&said, "resize-groups", "await-started").context("it has no start")?);
        docker.extend(stage.docker().map(with_docker).transpose()?);
    }
    stage.kiln.done(["stop", "one", "prod", "-m", "measured"]);
    let figure = Figure::new("start", "start of one instance", Unit::Milliseconds, ms(kiln))
        .goal(Goal::AtMost(30.0))
        .beside("docker run", ms_of_peer(docker));
    Ok(vec![figure])
}

/// A container with a network of its own, as an instance has; the command returns when it runs.
fn with_docker(docker: &Docker) -> Result<Duration> {
    let name = "one";
    let run = ["run", "--detach", "--name", name, "--memory", "64m", "base", "sleep", "60"];
    let took = command(docker.command(run))?;
    docker.remove(&[name])?;
    Ok(took)
}
