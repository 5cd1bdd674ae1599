//! An image run here and now, from typing the command until its first line comes.

use crate::figure::{Figure, Unit};
use crate::stage::Stage;
use crate::timing::{first_line, ms, ms_of_peer};
use anyhow::Result;

/// What is run; it says one line.
const SAY: [&str; 2] = ["/bin/echo", "ready"];
/// The version that is baked for it.
const IMAGE: &str = "greeter:run";

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    stage.service.change()?;
    stage.kiln.done(["bake", "greeter", "run", "--dir", stage.service.dir()]);
    let docker_image =
        stage.docker().map(|docker| docker.build(stage.service.dir())).transpose()?;
    let (mut kiln, mut docker) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        kiln.push(first_line(stage.kiln.command(["run", IMAGE, "--"].into_iter().chain(SAY)))?);
        if let (Some(peer), Some(image)) = (stage.docker(), &docker_image) {
            let words = ["run", "--rm", image].into_iter().chain(SAY);
            docker.push(first_line(peer.command(words))?);
        }
    }
    let figure = Figure::new("run", "run until its first line", Unit::Milliseconds, ms(kiln))
        .beside("docker run --rm", ms_of_peer(docker));
    Ok(vec![figure])
}
