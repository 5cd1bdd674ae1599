//! Requests for each second of processor time, of the router and of other proxies, in turn on one
//! processor, with load and backend on the other.

use crate::figure::{Figure, Goal, Unit};
use crate::peers::{OTHER_CPU, Proxies, Proxy};
use crate::stage::Stage;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Connections of the load.
const CONNECTIONS: &str = "-c64";
/// How long each is asked in each round.
const SPAN: &str = "-d2s";

pub(crate) fn measure(stage: &Stage) -> Result<Vec<Figure>> {
    let started = Proxies::start(|name, error| stage.lacks(name, &error));
    let Some(proxies) = stage.found("proxies", started) else { return Ok(Vec::new()) };
    let mut kiln = Vec::new();
    let mut peers = vec![Vec::new(); proxies.peers.len()];
    for _ in 0..stage.rounds {
        kiln.push(ask(&proxies.kiln)?);
        for (proxy, rates) in proxies.peers.iter().zip(&mut peers) {
            rates.push(ask(proxy)?);
        }
    }
    let rate = |name: &str| {
        let at = proxies.peers.iter().position(|proxy| proxy.name == name)?;
        peers.get(at).cloned().and_then(median)
    };
    let kiln = median(kiln).context("there was a round")?;
    let what = "router, requests per second and core";
    let figure = Figure::new("router", what, Unit::PerSecondAndCore, kiln)
        .beside_goal("nginx", rate("nginx"), Some(Goal::AtLeast(1.0)))
        .beside("haproxy", rate("haproxy"));
    Ok(vec![figure])
}

/// Requests that were answered for each second that the proxy's processor worked: true on a machine
/// that has other work, too.
fn ask(proxy: &Proxy) -> Result<f64> {
    let (url, host) = proxy.url();
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", OTHER_CPU, "wrk", "-t1", CONNECTIONS, SPAN, "-H", &host, &url]);
    let before = proxy.cpu_nanos();
    let output = command.output().context("run wrk")?;
    let spent = proxy.cpu_nanos() - before;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = said.contains("Non-2xx") || said.contains("Socket errors");
    ensure!(output.status.success() && !failed, "{} behind wrk: {said}", proxy.name);
    let line = said.lines().find(|line| line.contains(" requests in "));
    let requests: f64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("wrk counts no requests: {said}"))?;
    #[expect(clippy::cast_precision_loss, reason = "some seconds of nanoseconds")]
    let seconds = spent as f64 / 1e9;
    Ok(requests / seconds)
}

fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}
