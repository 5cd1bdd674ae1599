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

/// What came of a request, and the connection that stays open.
type Asked = (Result<Answer, Failure>, Option<Connection>);

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
    ) -> Asked {
        let question = Question::of(kind, n, &self.target);
        // A connection that was closed between two requests failed nobody.
        let mut asked = None;
        if let Some(open) = kept.filter(Connection::usable) {
            asked = Some(self.over(open, &question, wished).await);
        }
        let closed = |(outcome, _): &Asked| outcome.as_ref().is_err_and(Failure::was_not_sent);
        match asked.filter(|asked| !closed(asked)) {
            Some(asked) => asked,
            None => match Connection::open(&self.target, kind).await {
                Ok(new) => self.over(new, &question, wished).await,
                Err(failure) => (Err(failure), None),
            },
        }
    }

    async fn over(
        &self,
        mut connection: Connection,
        question: &Question,
        wished: Instant,
    ) -> Asked {
        let outcome = match ask(&mut connection, question, wished).await {
            Ok(answer) => self.judge(question, answer),
            Err(failure) => Err(failure.of(&format!("{}, {connection}", question.line()))),
        };
        let kept = outcome.is_ok() && connection.kind().keeps_connection();
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
