//! Watching a run: its output to ours, our signals to it, its exit code for ours.

use crate::CliError;
use crate::output::{Form, talk};
use crate::session::Session;
use crate::words::count;
use futures_util::StreamExt as _;
use kiln_client::{ClientError, Events};
use kiln_names::InstanceId;
use kiln_protocol::run::{NewRun, RunEvent};
use kiln_protocol::{Code, Exit};
use std::convert::Infallible;
use std::process::ExitCode;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells add to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// Runs it, and ends as it did.
pub(crate) async fn watch(session: &Session, new: &NewRun) -> Result<ExitCode, CliError> {
    let mut signals = Signals::listen()?;
    let mut events = tokio::select! {
        events = session.client.run(new) => events?,
        // Nobody listens any more: what has been started is stopped.
        () = signals.next() => return Err(CliError::Interrupted),
    };
    let Some(first) = events.next().await.transpose()? else { return Err(broke_off()) };
    if let RunEvent::Started { address: Some(address), process, .. } = &first {
        session.output.say(&format!("{process} listens at http://{address}; Ctrl-C stops it."));
    }
    let RunEvent::Started { run, .. } = first else { return Err(broke_off()) };
    if session.output.form == Form::Json {
        session.output.data(&first, |_| String::new())?;
    }
    // Side by side: a reader of our output that sleeps must not make us deaf to signals.
    tokio::select! {
        ended = carry(session, events) => conclude(session, &ended?),
        interrupted = heed(session, signals, run) => match interrupted? {},
    }
}

/// Carries what it writes to our own outputs until it has ended.
async fn carry(session: &Session, mut events: Events<RunEvent>) -> Result<RunEvent, CliError> {
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(event) = events.next().await.transpose()? {
        match &event {
            _ if session.output.form == Form::Json => {
                let line = serde_json::to_string(&event).expect("the protocol's types are JSON");
                write(&mut out, &(line + "\n")).await?;
            }
            RunEvent::Output { source, text, partial } => {
                let text = if *partial { text.clone() } else { format!("{text}\n") };
                match source.as_str() {
                    "stderr" => write(&mut err, &text).await?,
                    _ => write(&mut out, &text).await?,
                }
            }
            RunEvent::Started { .. } | RunEvent::Ended { .. } => {}
        }
        if matches!(event, RunEvent::Ended { .. }) {
            return Ok(event);
        }
    }
    Err(broke_off())
}

async fn write(to: &mut (impl AsyncWrite + Unpin), text: &str) -> Result<(), CliError> {
    let written = async {
        to.write_all(text.as_bytes()).await?;
        to.flush().await
    };
    written.await.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::Closed,
        _ => CliError::internal(format!("standard output: {error}")),
    })
}

/// Sends the stop signal at the first signal, kills at the second, and gives up at the third.
async fn heed(
    session: &Session,
    mut signals: Signals,
    run: InstanceId,
) -> Result<Infallible, CliError> {
    for words in ["Stopping it; Ctrl-C again kills it.", "Killing it."] {
        signals.next().await;
        session.output.say(words);
        match session.client.stop_run(run).await {
            // It ended by itself meanwhile.
            Err(ClientError::Problem(problem)) if problem.code == Code::NotFound => {}
            asked => asked?,
        }
    }
    signals.next().await;
    Err(CliError::Interrupted)
}

fn conclude(session: &Session, ended: &RunEvent) -> Result<ExitCode, CliError> {
    let RunEvent::Ended { code, signal, out_of_memory, cause, dropped } = ended else {
        return Err(broke_off());
    };
    if session.output.form == Form::Text {
        explain(*dropped, (*out_of_memory || code.is_none()).then_some(cause));
    }
    let number = code.or_else(|| signal.map(|signal| BY_SIGNAL + signal));
    let number = number.ok_or_else(|| CliError::new(Exit::Internal, cause.clone()))?;
    // As the kernel does it: the lowest eight bits.
    Ok(ExitCode::from(number.to_le_bytes()[0]))
}

/// An exit code says all there is to say; another end does not.
fn explain(dropped: u64, cause: Option<&String>) {
    if dropped != 0 {
        let lines = count(usize::try_from(dropped).unwrap_or(usize::MAX), "line");
        talk(&format!("The last {lines} were not read in time and are missing.\n"));
    }
    if let Some(cause) = cause {
        talk(&format!("It ended: {cause}.\n"));
    }
}

fn broke_off() -> CliError {
    CliError::internal("the run ended without a word")
}

/// What a person, or whoever supervises us, asks with.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen =
            |kind| signal(kind).map_err(|error| CliError::internal(format!("signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
