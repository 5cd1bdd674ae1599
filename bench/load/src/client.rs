//! One client: asks, reads, checks, counts; never twice for the same answer.

mod connection;
mod exchange;

use crate::load::{Check, goes_on};
use crate::{Answer, Kind, Tally, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

pub(crate) use connection::Connection;
pub(crate) use exchange::{Question, ask};

/// One client.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) target: Target,
    pub(crate) check: Check,
    pub(crate) rate: u32,
    pub(crate) began: Instant,
    pub(crate) answered: Arc<AtomicU64>,
}

impl Client {
    /// Asks until it is told to stop.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) -> Tally {
        let mut tally = Tally::default();
        let mut kept: Option<Connection> = None;
        let mut turns = tokio::time::interval(Duration::from_secs(1) / self.rate);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while goes_on(&stopping, self.began) {
            tokio::select! {
                _ = turns.tick() => {}
                _ = stopping.changed() => break,
            }
            let at = self.began.elapsed();
            let question = Question::of(self.kind, tally.requests);
            let outcome = self.turn(&mut kept, &question).await;
            tally.count(at, outcome.as_ref().map_err(Clone::clone));
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        tally
    }

    async fn turn(
        &self,
        kept: &mut Option<Connection>,
        question: &Question,
    ) -> Result<Answer, String> {
        let wished = Instant::now();
        let mut connection = match kept.take() {
            // A connection that was closed between two requests failed nobody.
            Some(open) if open.usable() => open,
            _ => Connection::open(&self.target, self.kind).await?,
        };
        let answer = ask(&mut connection, question, wished)
            .await
            .map_err(|error| format!("{}, {connection}: {error}", question.line()))?;
        self.judge(question, &answer)?;
        if matches!(self.kind, Kind::KeepAlive | Kind::Poster) {
            *kept = Some(connection);
        }
        Ok(answer)
    }

    fn judge(&self, question: &Question, answer: &Answer) -> Result<(), String> {
        let line = question.line();
        if answer.status != http::StatusCode::OK {
            return Err(format!("{line}: {} {}", answer.status, answer.excerpt()));
        }
        if self.kind == Kind::Poster && answer.body != question.body {
            let (sent, came) = (question.body.len(), answer.body.len());
            return Err(format!("{line}: {sent} bytes came back as {came} others"));
        }
        (self.check)(answer).map_err(|wrong| format!("{line}: {wrong}"))
    }
}
