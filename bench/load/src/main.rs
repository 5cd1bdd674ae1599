//! `kiln-load URL`: offers requests at a fixed rate for some seconds, and says how it went.

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use kiln_load::{Kind, Offer, Target};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// The most seconds of one run.
const MOST_SECONDS: u64 = kiln_load::MAX_TIME.as_secs();

/// Offers requests at a fixed rate, whatever becomes of those before, and counts what was not
/// answered well.
///
/// An answer's time counts from when its request was due, so that a pause of the server shows in
/// every request that was due in it. Nothing is asked twice. It ends with 1 when a request failed.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  kiln-load --rate 500 --for 30 http://hello.prod.localhost:8000/"
)]
struct Options {
    /// What to ask for, on this machine; names below `localhost` are this machine
    url: String,
    /// Requests in a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// For how many seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=MOST_SECONDS))]
    seconds: u64,
    /// Which kinds of request, each with its share: new-connection, keep-alive, slow-request; and for
    /// services that answer a POST with its body poster and upload, and GET /slow with a large body
    /// slow-reader
    #[arg(long, value_name = "KIND=SHARE", value_delimiter = ',', value_parser = share,
          default_value = "keep-alive=4,new-connection=1")]
    kinds: Vec<(Kind, u32)>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<(Kind, u32)> {
    let (kind, share) = text.split_once('=').unwrap_or((text, "1"));
    let Ok(kind) = Kind::from_str(kind, false) else {
        let known: Vec<_> =
            Kind::value_variants().iter().filter_map(Kind::to_possible_value).collect();
        let known: Vec<&str> = known.iter().map(|value| value.get_name()).collect();
        bail!("{kind} is none of {}", known.join(", "));
    };
    Ok((kind, share.parse().context("a share is a whole number")?))
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let target = Target::of_url(&options.url)?;
    let running = Offer::new(target, options.rate).kinds(options.kinds).start();
    let (_hold, never) = std::sync::mpsc::channel::<()>();
    // Nothing is ever sent: this waits for the time alone.
    never.recv_timeout(Duration::from_secs(options.seconds)).ok();
    let report = running.stop();
    if options.json {
        writeln!(std::io::stdout(), "{}", report.to_json())?;
    } else {
        write!(std::io::stdout(), "{report}")?;
    }
    Ok(if report.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
