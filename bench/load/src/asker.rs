//! One request of any kind: asked, read and judged; never twice for the same answer.

mod body;
mod connection;
mod exchange;
mod wire;

use crate::failure::{Failure, Why};
use crate::{Answer, Kind, Target};
use std::sync::Arc;
use std::time::Instant;

pub(crate) use connection::Connection;
pub(crate) use exchange::{Question, ask};

/// Says what is wrong with an answer.
pub(crate) type Check = Arc<dyn Fn(&Answer) -> Result<(), String> + Send + Sync>;

/// Who asks whom, and what an answer must be like.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) target: Target,
    pub(crate) check: Check,
}

impl Asker {
    /// The `n`th request of that kind, wished for at `wished`, on the connection that was kept if it
    /// is still open. That which stays open afterwards comes back, if the kind keeps it.
    pub(crate) async fn turn(
        &self,
        kind: Kind,
        n: u64,
        kept: Option<Connection>,
        wished: Instant,
    ) -> (Result<Answer, Failure>, Option<Connection>) {
        let question = Question::of(kind, n, &self.target);
        let mut connection = match kept {
            // A connection that was closed between two requests failed nobody.
            Some(open) if open.usable() => open,
            _ => match Connection::open(&self.target, kind).await {
                Ok(new) => new,
                Err(failure) => return (Err(failure), None),
            },
        };
        let asked = ask(&mut connection, &question, wished).await;
        let outcome = match asked {
            Ok(answer) => self.judge(&question, answer),
            Err(failure) => Err(failure.of(&format!("{}, {connection}", question.line()))),
        };
        let kept = outcome.is_ok() && kind.keeps_connection();
        (outcome, kept.then_some(connection))
    }

    fn judge(&self, question: &Question, answer: Answer) -> Result<Answer, Failure> {
        let line = question.line();
        if answer.status != http::StatusCode::OK {
            let said = format!("{} {}", answer.status, answer.excerpt());
            return Err(Why::Status.because(said).of(&line));
        }
        if answer.kind.posts() && answer.body != question.body {
            let (sent, came) = (question.body.len(), answer.body.len());
            let said = format!("{sent} bytes came back as {came} others");
            return Err(Why::Wrong.because(said).of(&line));
        }
        match (self.check)(&answer) {
            Ok(()) => Ok(answer),
            Err(wrong) => Err(Why::Wrong.because(wrong).of(&line)),
        }
    }
}
