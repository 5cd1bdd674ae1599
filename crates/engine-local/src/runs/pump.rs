//! Carries what a run writes to whoever watches it.

use super::lines::{Line, Lines};
use kiln_container::{Attached, ExitRecord, Stream};
use kiln_engine::{EngineError, RunEvent, Source};
use std::io;
use tokio::sync::{mpsc, watch};

/// One run's output on its way.
pub(super) struct Pump {
    events: mpsc::Sender<Result<RunEvent, EngineError>>,
    stopping: watch::Receiver<bool>,
    lines: Lines,
    dropped: u64,
}

/// How the output ended, and the run with it.
pub(super) struct Ended {
    pub(super) record: io::Result<ExitRecord>,
    pub(super) dropped: u64,
}

impl Pump {
    pub(super) fn new(
        events: mpsc::Sender<Result<RunEvent, EngineError>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { events, stopping, lines: Lines::default(), dropped: 0 }
    }

    /// Carries everything until the run has ended.
    pub(super) async fn run(mut self, mut attached: Attached) -> Ended {
        let mut bytes = Vec::new();
        let broke_off = loop {
            match attached.next(&mut bytes).await {
                Ok(Some(stream)) => {
                    let lines = self.lines.take(stream, &bytes);
                    self.hand_on(lines).await;
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let rest = std::mem::take(&mut self.lines).finish();
        self.hand_on(rest).await;
        let record = match broke_off {
            None => attached.finish().await,
            Some(error) => Err(error),
        };
        Ended { record, dropped: self.dropped }
    }

    async fn hand_on(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.hand_on_one(line).await;
        }
    }

    /// Whoever reads slowly makes the run wait, until it is to stop: an end must not depend on a
    /// reader.
    async fn hand_on_one(&mut self, line: Line) {
        let free = tokio::select! {
            biased;
            free = self.events.reserve() => free.ok(),
            _ = self.stopping.wait_for(|stop| *stop) => None,
        };
        match free {
            Some(place) => place.send(Ok(output(line))),
            None => self.dropped += 1,
        }
    }
}

fn output(Line { stream, text, partial }: Line) -> RunEvent {
    let source = match stream {
        Stream::Stdout => Source::Stdout,
        Stream::Stderr => Source::Stderr,
    };
    RunEvent::Output { source, text, partial }
}
