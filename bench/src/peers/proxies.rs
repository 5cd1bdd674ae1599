//! nginx, HAProxy and Kiln's router as nothing but proxies: one thread's worth each, before the same
//! backend.

use super::{Background, Socket, file, installed};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The processor that the proxies have in turn; load and backend have the other.
pub(crate) const PROXY_CPU: &str = "0";
pub(crate) const OTHER_CPU: &str = "1";
/// Where Kiln's router takes traffic; the others' ports are in their configurations.
const KILN_PORT: u16 = 18080;
/// How long each may take to start.
const START: Duration = Duration::from_secs(30);
/// The host that is asked for.
const HOST: &str = "b.localhost";

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// Its processes; all that they do is its work.
    pub(crate) pids: Vec<i32>,
    #[expect(dead_code, reason = "it runs for as long as it is held")]
    process: Background,
}

/// All of them, the backend, and Kiln's first.
pub(crate) struct Proxies {
    pub(crate) kiln: Proxy,
    pub(crate) peers: Vec<Proxy>,
    #[expect(dead_code, reason = "it serves for as long as it is held")]
    backend: Background,
    scratch: TempDir,
}

impl Proxies {
    /// Starts those that are installed; `missing` hears of the others.
    pub(crate) fn start(mut missing: impl FnMut(&'static str, anyhow::Error)) -> Result<Self> {
        installed("wrk")?;
        installed("nginx").context("the backend is nginx")?;
        let scratch = tempfile::Builder::new().prefix("kiln-bench-proxy-").tempdir()?;
        let backend = nginx(&scratch, "router-backend.conf", OTHER_CPU)?;
        let kiln = kiln(&scratch)?;
        let mut peers = Vec::new();
        for (name, started) in [
            (
                "nginx",
                nginx(&scratch, "router-nginx.conf", PROXY_CPU).map(|process| (process, 18082)),
            ),
            ("haproxy", haproxy().map(|process| (process, 18083))),
        ] {
            match started.and_then(|(process, port)| Proxy::ready(name, port, process)) {
                Ok(proxy) => peers.push(proxy),
                Err(error) => missing(name, error),
            }
        }
        Ok(Self { kiln, peers, backend, scratch })
    }
}

impl Proxy {
    /// Waits until it answers.
    fn ready(name: &'static str, port: u16, process: Background) -> Result<Self> {
        let target = kiln_load::Target::new(([127, 0, 0, 1], port).into(), HOST)?;
        let began = Instant::now();
        while !kiln_load::get(&target, "/").is_ok_and(|answer| answer.status == 200) {
            ensure!(began.elapsed() < START, "{name} does not answer");
            crate::timing::pause(Duration::from_millis(20));
        }
        let mut pids = vec![process.pid()];
        pids.extend(children(process.pid()));
        Ok(Self { name, port, pids, process })
    }

    /// The URL, and the host that has to be asked for.
    pub(crate) fn url(&self) -> (String, String) {
        (format!("http://127.0.0.1:{}/", self.port), format!("Host: {HOST}"))
    }

    /// Nanoseconds of processor time that it has used.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        self.pids.iter().map(|pid| cpu_nanos(*pid)).sum()
    }
}

/// Of all threads of a process, to the nanosecond.
fn cpu_nanos(pid: i32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    spent.sum()
}

fn children(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A program on one processor.
fn pinned(cpu: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cpu, program]);
    command
}

fn nginx(scratch: &TempDir, conf: &str, cpu: &str) -> Result<Background> {
    installed("nginx")?;
    let mut command = pinned(cpu, "nginx");
    command.arg("-p").arg(scratch.path()).arg("-c").arg(file(conf)).args(["-e", "error.log"]);
    Background::start(&mut command)
}

fn haproxy() -> Result<Background> {
    installed("haproxy")?;
    Background::start(
        pinned(PROXY_CPU, "haproxy").args(["-db", "-f"]).arg(file("router-haproxy.cfg")),
    )
}

/// Kiln's router without its server; the table comes from here.
fn kiln(scratch: &TempDir) -> Result<Proxy> {
    let data = scratch.path().join("kiln");
    let program = kiln_tests::kiln();
    let mut command = pinned(PROXY_CPU, &program.to_string_lossy());
    command.args(["router", "--http", &format!("127.0.0.1:{KILN_PORT}"), "--data"]).arg(&data);
    command.stderr(std::fs::File::create(scratch.path().join("router.log"))?);
    let process = Background::start(&mut command)?;
    let install = || std::fs::read_to_string(data.join("install")).unwrap_or_default();
    let socket = || format!("/run/kiln/{}/router.sock", install().trim());
    let began = Instant::now();
    let table = std::fs::read_to_string(file("router-table.json"))?;
    while let Err(error) = Socket(socket().into()).put("/table", &table) {
        ensure!(began.elapsed() < START, "the router takes no table: {error:#}");
        crate::timing::pause(Duration::from_millis(20));
    }
    Proxy::ready("kiln", KILN_PORT, process)
}

impl Drop for Proxies {
    fn drop(&mut self) {
        let mut down = Command::new(kiln_tests::kiln());
        // What it leaves would be shown by the next look at the machine.
        down.args(["down", "--data"]).arg(self.scratch.path().join("kiln")).output().ok();
    }
}
