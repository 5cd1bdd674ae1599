//! One instance for as long as somebody watches it: `kiln run`. Nothing of it is recorded.

use crate::{EngineError, Exit, Source, UserData};
use kiln_names::{AppName, ByteSize, Digest, EnvName, InstanceId, ProcessName, SecretVersions};
use kiln_protocol::configuration::{MilliCpu, Network};
use kiln_protocol::recipe::ImageProcess;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// What is run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSpec {
    /// The image.
    pub image: Digest,
    /// The application that it is of, where that is known.
    pub app: Option<AppName>,
    /// The environment whose network it joins. `None`: one where it meets nobody.
    pub env: Option<EnvName>,
    /// The process.
    pub process: ProcessName,
    /// How the image says that the process is run, or what is run instead of that.
    pub run: ImageProcess,
    /// The share of processors; a hard limit.
    pub cpu: MilliCpu,
    /// The memory; a hard limit.
    pub memory: ByteSize,
    /// The processes and threads; a hard limit.
    pub pids: u32,
    /// What network it sees.
    pub network: Network,
    /// What reaches it at its start.
    pub user_data: UserData,
    /// Variables over all others.
    pub variables: BTreeMap<String, String>,
    /// The versions of its secrets.
    pub secrets: SecretVersions,
}

/// What is told of a run, in this order: that it started, what it writes, how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// Its command runs.
    Started {
        /// Where it listens, for a process with a port.
        address: Option<SocketAddr>,
    },
    /// It wrote something.
    Output {
        /// To which of its outputs.
        source: Source,
        /// A line without its end, or a piece of one; at most 64 KiB, what is not UTF-8 replaced.
        text: String,
        /// Whether the line goes on, or ended without an end.
        partial: bool,
    },
    /// It ended, and nothing is left of it.
    Ended {
        /// How.
        exit: Exit,
        /// How many lines nobody took in time, after it had been asked to stop.
        dropped: u64,
    },
}

/// A run that was asked for.
#[derive(Debug)]
pub struct Run {
    /// Its identity.
    pub id: InstanceId,
    /// What is told of it; the first may be an error, and is then the last. Dropping this stops the
    /// run as [`Runner::stop`] does.
    pub events: mpsc::Receiver<Result<RunEvent, EngineError>>,
}

/// Runs an image here and now.
///
/// # Guarantees
/// A run is contained exactly as a deployed instance is, and ends with whoever watches it, with the
/// server, and with the machine.
#[async_trait::async_trait]
pub trait Runner: Send + Sync + std::fmt::Debug {
    /// Begins a run. What can go wrong with it is told by its first event.
    ///
    /// # Errors
    /// When there are as many as there may be.
    async fn run(&self, spec: RunSpec) -> Result<Run, TooManyRuns>;

    /// Sends the stop signal, and kills after its timeout; asked a second time, it kills at once.
    ///
    /// # Errors
    /// Not found when there is no such run.
    async fn stop(&self, run: InstanceId) -> Result<(), EngineError>;

    /// The images that are being run.
    fn images(&self) -> BTreeSet<Digest>;
}

/// There are as many runs as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} runs are in progress, and there may be no more at once")]
pub struct TooManyRuns {
    /// How many there may be.
    pub limit: usize,
}
