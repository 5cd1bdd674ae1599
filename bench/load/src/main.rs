//! `kiln-load ADDRESS HOST`: asks for some seconds, and says how it went.

use anyhow::Result;
use clap::Parser;
use kiln_load::{Load, Target};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Asks for HOST at ADDRESS with clients of four kinds, and counts what was not answered well
#[derive(Debug, Parser)]
struct Options {
    /// Where to ask, on this machine
    address: SocketAddr,
    /// The host to ask for
    host: String,
    /// For how long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many requests each client begins in a second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// How many clients of each kind
    #[arg(long, default_value_t = 1)]
    clients: usize,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut load = Load::new(Target::new(options.address, options.host)?).rate(options.rate);
    for kind in kiln_load::Kind::ALL {
        load = load.clients(kind, options.clients);
    }
    let running = load.start();
    let (_hold, never) = std::sync::mpsc::channel::<()>();
    // Nothing is ever sent: this waits for the time alone.
    never.recv_timeout(Duration::from_secs(options.seconds)).ok();
    let report = running.stop();
    write!(std::io::stdout(), "{report}")?;
    Ok(if report.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
