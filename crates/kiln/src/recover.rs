//! `kiln recover`: makes a lost or damaged database again, while router and instances go on.
//!
//! The new database is complete before the old one is touched. Then the old one goes aside and the
//! new one takes its place; a crash in between leaves none, which the server refuses and the next
//! `kiln recover` mends, reading the one that was put aside last.

mod report;
mod running;

use crate::books::{self, path, spare};
use crate::data::Data;
use crate::parts::stop;
use crate::role::{Held, Role};
use crate::say;
use anyhow::{Context, Result, bail};
use kiln_cli::Globals;
use kiln_store::{Database, rebuild};
use report::Report;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a server may take to let go of the database.
const LET_GO: Duration = Duration::from_secs(60);
/// How long to wait before its part is asked for again.
const AGAIN: Duration = Duration::from_millis(50);
/// The exit code for "not found".
const NOT_FOUND: u8 = 6;
/// What belongs to a database besides its file.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Rebuilds the database of a data directory if that is needed.
pub(crate) fn run(globals: &Globals) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(recover(globals))))
}

async fn recover(globals: &Globals) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("recover: root is needed");
    }
    let Some(data) = Data::existing(&globals.data)? else {
        say::complain(&format!("nothing was ever started on {}", globals.data.display()), None);
        return Ok(ExitCode::from(NOT_FOUND));
    };
    if books::ailment(&data).await?.is_none() {
        Report::nothing_to_do(&data).print(globals.json);
        return Ok(ExitCode::SUCCESS);
    }
    let _held = take_servers_part(&data).await?;
    // Again, now that nobody else can: another one may have recovered it meanwhile.
    let Some(why) = books::ailment(&data).await? else {
        Report::nothing_to_do(&data).print(globals.json);
        return Ok(ExitCode::SUCCESS);
    };
    let mut report = Report::new(&data, why);
    let new = data.at("kiln.db-recovered");
    let damaged = damaged(&data)?;
    report.tables = rebuild(&new, damaged.as_deref(), Some(&spare(&data))).await?;
    let database = Database::open(&new).await?;
    running::restore(&data, &database, &mut report).await.context("record what runs")?;
    database.close().await;
    report.aside = put_in_place(&data, &new)?;
    kiln_store::spare::write(&path(&data), &spare(&data)).await?;
    report.print(globals.json);
    Ok(ExitCode::SUCCESS)
}

/// Keeps servers off the database; `up` starts one again as soon as that is over.
async fn take_servers_part(data: &Data) -> Result<Held> {
    let deadline = Instant::now() + LET_GO;
    loop {
        if let Some(held) = Role::Server.take(data)? {
            return Ok(held);
        }
        if let Some(server) = Role::Server.player(data) {
            say::note("The server stops; what runs goes on.");
            stop(&server.process, LET_GO).await?;
        }
        if Instant::now() > deadline {
            bail!("recover: the server of {} does not let go", data.root().display());
        }
        sleep(AGAIN).await;
    }
}

/// The database to read: the one in its place, else the one that was put aside last.
fn damaged(data: &Data) -> Result<Option<PathBuf>> {
    if path(data).exists() {
        return Ok(Some(path(data)));
    }
    let Some(last) = asides(data).into_iter().max() else { return Ok(None) };
    let dir = aside(data, last);
    // Its log may have been next to go.
    put_aside(data, &dir)?;
    Ok(Some(dir.join("kiln.db")).filter(|path| path.exists()))
}

/// The numbers of the databases that were put aside.
fn asides(data: &Data) -> Vec<u32> {
    let entries = fs::read_dir(data.at("damaged")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn aside(data: &Data, number: u32) -> PathBuf {
    data.at("damaged").join(number.to_string())
}

/// Answers where the old one went, if there was one.
fn put_in_place(data: &Data, new: &Path) -> Result<Option<PathBuf>> {
    let last = asides(data).into_iter().max().unwrap_or(0);
    let dir = aside(data, last + 1);
    let moved = put_aside(data, &dir)?;
    fs::rename(new, path(data)).context("put the new database in its place")?;
    File::open(data.root())?.sync_all()?;
    Ok(moved.then_some(dir))
}

/// The file first: from then on there is no database that could be taken for a whole one.
fn put_aside(data: &Data, dir: &Path) -> Result<bool> {
    let mut moved = false;
    for suffix in [""].iter().chain(&BESIDE) {
        let name = format!("kiln.db{suffix}");
        let from = data.at(&name);
        if from.exists() {
            fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
            fs::rename(&from, dir.join(&name))
                .with_context(|| format!("move {} aside", from.display()))?;
            moved = true;
        }
    }
    if moved {
        File::open(dir)?.sync_all()?;
        File::open(data.root())?.sync_all()?;
    }
    Ok(moved)
}
