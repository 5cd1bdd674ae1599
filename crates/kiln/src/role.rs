//! Who plays which part: each part is played by one process at a time, known by boot, pid and start
//! time, and found again by whoever comes later.

use crate::data::Data;
use crate::notify;
use anyhow::{Context, Result};
use kiln_container::{Boot, ProcessIdent};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Watches the other two.
    Up,
    /// API, orchestrator, bakery, keeper.
    Server,
    /// Data plane.
    Router,
}

/// Who plays a part, and where it listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Player {
    pub(crate) process: ProcessIdent,
    pub(crate) address: Option<SocketAddr>,
    /// The file that it runs from.
    pub(crate) program: PathBuf,
    /// Whether a service manager starts it.
    pub(crate) managed: bool,
}

/// The part is played for as long as this is held.
#[derive(Debug)]
pub(crate) struct Held(File);

impl From<Held> for OwnedFd {
    fn from(held: Held) -> Self {
        held.0.into()
    }
}

/// From one look at whether it is this process's turn to the next.
const TURN: Duration = Duration::from_millis(20);

/// Waits for the turn to start and stop parts, which one process has at a time.
pub(crate) async fn turn(data: &Data) -> Result<Held> {
    loop {
        match lock(&data.run().join("turn.lock"))? {
            Some(held) => return Ok(held),
            None => tokio::time::sleep(TURN).await,
        }
    }
}

fn lock(path: &Path) -> Result<Option<Held>> {
    let lock = File::create(path).with_context(|| format!("open {}", path.display()))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Held(lock))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Server => "server",
            Self::Router => "router",
        }
    }

    fn file(self, data: &Data) -> PathBuf {
        data.run().join(format!("{}.json", self.name()))
    }

    /// Takes the part; `None` while another process has it.
    pub(crate) fn take(self, data: &Data) -> Result<Option<Held>> {
        lock(&data.run().join(format!("{}.lock", self.name())))
    }

    /// Says that this process plays the part, ready for others.
    pub(crate) fn announce(self, data: &Data, address: Option<SocketAddr>) -> Result<()> {
        let pid = i32::try_from(std::process::id()).context("a pid beyond 31 bits")?;
        let process = ProcessIdent::of(pid, &Boot::current()?)?;
        let program = std::env::current_exe().context("find this program")?;
        let player = Player { process, address, program, managed: notify::managed() };
        let path = self.file(data);
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&player)?)?;
        fs::rename(new, path)?;
        notify::ready()
    }

    /// Who plays the part now.
    pub(crate) fn player(self, data: &Data) -> Option<Player> {
        let text = fs::read(self.file(data)).ok()?;
        let player: Player = serde_json::from_slice(&text).ok()?;
        player.process.is_alive(&Boot::current().ok()?).then_some(player)
    }
}
