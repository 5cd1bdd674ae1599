//! One request, for those who do not want a load.

use crate::asker::{Connection, Question, ask};
use crate::failure::Failure;
use crate::{Answer, Kind, Target};
use bytes::Bytes;
use http::Method;
use std::time::Instant;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self(failure.what)
    }
}

/// Asks for `path` on a new connection, and waits for the answer.
///
/// # Errors
/// When there is none, whatever its status would have been.
///
/// # Panics
/// When called within a runtime.
pub fn get(target: &Target, path: &str) -> Result<Answer, NoAnswer> {
    exchange(target, Method::GET, path, Bytes::new())
}

/// Sends `body` to `path` on a new connection, and waits for the answer.
///
/// # Errors
/// When there is none, whatever its status would have been.
///
/// # Panics
/// When called within a runtime.
pub fn post(target: &Target, path: &str, body: impl Into<Bytes>) -> Result<Answer, NoAnswer> {
    exchange(target, Method::POST, path, body.into())
}

fn exchange(target: &Target, method: Method, path: &str, body: Bytes) -> Result<Answer, NoAnswer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| NoAnswer(error.to_string()))?;
    let question = Question { method, path: path.to_owned(), body };
    let wished = Instant::now();
    runtime.block_on(async {
        let mut connection = Connection::open(target, Kind::NewConnection).await?;
        Ok(ask(&mut connection, &question, wished).await?)
    })
}
