//! A router that has joined a Kiln: on this machine, or on one of its own.

use crate::ports::Ports;
use crate::swarm::{MACHINE, network};
use crate::{Kiln, Ran, program, until};
use kiln_load::Target;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What it is called.
const NAME: &str = "edge";
/// How long it may take to begin.
const SOON: Duration = Duration::from_secs(30);

/// A router with a data directory of its own. Dropping it ends it.
#[derive(Debug)]
pub struct EdgeRouter {
    node: Option<usize>,
    ports: Ports,
    child: Child,
    scratch: TempDir,
}

impl EdgeRouter {
    /// Starts one on this machine, beside `kiln`'s own.
    ///
    /// # Panics
    /// When it does not begin.
    #[must_use]
    pub fn join(kiln: &Kiln) -> Self {
        Self::joined(kiln, None, &kiln.api().to_string())
    }

    /// Starts one on a node of a Swarm.
    ///
    /// # Panics
    /// When it does not begin.
    #[must_use]
    pub fn join_from(node: usize, kiln: &Kiln) -> Self {
        Self::joined(kiln, Some(node), &format!("{MACHINE}:{}", kiln.api().port()))
    }

    fn joined(kiln: &Kiln, node: Option<usize>, api: &str) -> Self {
        let scratch = tempfile::Builder::new().prefix("kiln-edge-").tempdir().expect("a directory");
        let log = std::fs::File::create(scratch.path().join("log")).expect("a file can be made");
        let ports = Ports::take().expect("ports are free");
        let child = on(node, program::kiln())
            .args(["router", "--http", &ports.http.to_string(), "--name", NAME])
            .args(["--join", &format!("http://{api}"), "--token-file"])
            .arg(kiln.data().join("router.token"))
            .arg("--data")
            .arg(scratch.path().join("data"))
            .stderr(log)
            .spawn()
            .expect("kiln router can be started");
        let router = Self { node, ports, child, scratch };
        until("the router joins", SOON, || router.state(kiln).as_deref() == Some("current"));
        router
    }

    /// Lets it do nothing, as on a machine that hangs, or go on.
    ///
    /// # Panics
    /// When it has ended.
    pub fn freeze(&self, frozen: bool) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(pid, signal).expect("it runs");
    }

    /// How it stands, by `kiln routers list`; none when it is not known there.
    #[must_use]
    pub fn state(&self, kiln: &Kiln) -> Option<String> {
        let routers = kiln.list(["routers", "list"]);
        let own = routers.iter().find(|router| router["name"] == NAME)?;
        own["state"].as_str().map(str::to_owned)
    }

    /// Where it takes requests, on its machine.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.ports.http
    }

    /// Application `app` in `prod`, as clients of this router see it.
    ///
    /// # Panics
    /// When it is on another machine.
    #[must_use]
    pub fn target(&self, app: &str) -> Target {
        assert_eq!(self.node, None, "only clients there reach it");
        Target::new(self.http(), format!("{app}.prod.localhost")).expect("it listens on loopback")
    }

    /// What `app` answers to somebody on the router's own machine.
    #[must_use]
    pub fn get_there(&self, app: &str) -> Ran {
        let mut curl = on(self.node, "curl".into());
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "5"]);
        curl.args(["--header", &format!("Host: {app}.prod.localhost")]);
        curl.arg(format!("http://{}/", self.http()));
        Ran::of(curl)
    }

    /// What it has said, for messages.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

/// A command, on this machine or on a node.
fn on(node: Option<usize>, program: PathBuf) -> Command {
    let mut command = match node {
        None => Command::new(program),
        Some(node) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/run/netns/{}", network(node))).arg(program);
            command
        }
    };
    command.stdin(Stdio::null());
    command
}

impl Drop for EdgeRouter {
    fn drop(&mut self) {
        let mut down = Command::new(program::kiln());
        down.arg("down").arg("--data").arg(self.scratch.path().join("data")).stdin(Stdio::null());
        let down = Ran::of(down);
        self.child.kill().ok();
        let ended = self.child.wait();
        if !std::thread::panicking() {
            assert_eq!(down.code, Some(0), "{down:?}\n{}", self.log());
            assert!(ended.is_ok_and(|status| status.success()), "{}", self.log());
        }
    }
}
