//! `make bench`: every figure that Kiln promises, measured beside its peers in one run.
//!
//! Each row of the table is a file in `rows`, each peer a file in `peers`. Everything happens in a
//! network and a mount namespace of its own (`enclosure`), so that what a peer does to the machine's
//! network and mounts ends with the run.

mod enclosure;
mod figure;
mod interrupt;
mod peers;
mod results;
mod rows;
mod service;
mod stage;
mod table;
mod timing;

use anyhow::{Context, Result};
use clap::Parser;
use stage::Stage;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Measures Kiln and its peers side by side, and says which goals are met.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  kiln-bench --rows ship,bake\n\nA run of all rows replaces \
    bench/results/latest.json; a run of some changes it only with --write.")]
struct Options {
    /// Only these rows
    #[arg(long, value_delimiter = ',', value_parser = rows::names())]
    rows: Vec<String>,
    /// How often each figure is taken; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Write the figures here
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Only list the rows
    #[arg(long)]
    list: bool,
    /// This process is in the enclosure already
    #[arg(long, hide = true)]
    enclosed: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        rows::ALL.iter().for_each(|row| say(&format!("{:<10}{}", row.name, row.about)));
        return Ok(ExitCode::SUCCESS);
    }
    interrupt::take()?;
    if !options.enclosed {
        stage::prepare()?;
        return enclosure::run_there();
    }
    enclosure::furnish()?;
    run(&options)
}

fn run(options: &Options) -> Result<ExitCode> {
    let stage = Stage::set(options.rounds)?;
    let wanted = |row: &&rows::Row| {
        options.rows.is_empty() || options.rows.iter().any(|name| name == row.name)
    };
    let mut figures = Vec::new();
    for row in rows::ALL.iter().filter(wanted) {
        say(&format!("== {}: {}", row.name, row.about));
        let began = Instant::now();
        let measured = (row.measure)(&stage).with_context(|| format!("measure {}", row.name))?;
        say(&format!("{}   {:.0} s", table::lines(&measured), began.elapsed().as_secs_f64()));
        figures.extend(measured);
    }
    say(&format!("\n{}{}", table::heading(), table::lines(&figures)));
    stage.missing().iter().for_each(|missing| say(&format!("missing: {missing}")));
    let all = options.rows.is_empty().then(results::latest);
    if let Some(path) = options.write.clone().or(all) {
        results::write(&path, &figures)?;
        say(&format!("Written to {}.", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells people what happens; a closed output stops nothing.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
