//! Blue/green with nginx as a shell script does it (`bench/peers/blue-green.sh`).

use super::{Background, Docker, file, installed};
use crate::service::Service;
use crate::timing::{self, pause, until_serving};
use anyhow::{Context, Result};
use kiln_load::Target;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Where nginx takes traffic.
const PORT: u16 = 9100;
/// How long uploads and slow answers of the colour without traffic may go on.
const DRAIN: Duration = Duration::from_secs(2);

/// The service as two containers behind nginx.
pub(crate) struct BlueGreen {
    #[expect(dead_code, reason = "it runs for as long as it is held")]
    nginx: Background,
    state: TempDir,
    target: Target,
}

impl BlueGreen {
    pub(crate) fn start(docker: &Docker, service: &Service) -> Result<Self> {
        installed("nginx")?;
        installed("curl")?;
        let state = tempfile::Builder::new().prefix("kiln-bench-nginx-").tempdir()?;
        std::fs::write(
            state.path().join("upstream.conf"),
            "upstream service { server 127.0.0.1:9; }\n",
        )?;
        std::fs::copy(file("blue-green.conf"), state.path().join("nginx.conf"))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(state.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        let nginx = Background::start(&mut command)?;
        let target = Target::new(([127, 0, 0, 1], PORT).into(), "greeter.prod.localhost")?;
        let this = Self { nginx, state, target };
        kiln_tests::until("nginx runs", Duration::from_secs(30), || {
            this.state.path().join("nginx.pid").exists()
        });
        let version = service.change()?;
        until_serving(&this.target, &version, || this.deploy(docker, service))?;
        Ok(this)
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    /// Builds the directory and brings it out.
    pub(crate) fn deploy(&self, docker: &Docker, service: &Service) -> Result<()> {
        self.script(docker, "deploy", service.dir())
    }

    /// Brings out an image that is there.
    pub(crate) fn start_image(&self, docker: &Docker, image: &str) -> Result<()> {
        self.script(docker, "start", image)
    }

    /// Removes the colour without traffic.
    pub(crate) fn retire(&self, docker: &Docker) -> Result<()> {
        self.script(docker, "retire", "")
    }

    /// Lets the colour without traffic come to its end first.
    pub(crate) fn drain(&self, docker: &Docker) -> Result<()> {
        pause(DRAIN);
        self.retire(docker)
    }

    /// The image that serves.
    pub(crate) fn image(&self) -> Result<String> {
        let path = self.state.path().join("image");
        Ok(std::fs::read_to_string(path).context("read which image serves")?.trim().to_owned())
    }

    fn script(&self, docker: &Docker, verb: &str, argument: &str) -> Result<()> {
        let mut command = Command::new(file("blue-green.sh"));
        command.arg(self.state.path()).args([verb, argument]);
        docker.envelop(&mut command);
        timing::command(command).map(drop)
    }
}
