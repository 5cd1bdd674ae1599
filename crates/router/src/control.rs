//! The control surface: HTTP/1.1 with JSON over a Unix socket that only its owner can open.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /table` | 204 once it is on disk and in force; 409 stale or in conflict, 422 invalid, 500 not stored |
//! | `GET /table` | the table in force |
//! | `GET /status?after=SEQ&wait_ms=N` | the status, once its sequence is beyond `SEQ` or after `N` ms |

pub(crate) mod surface;

use crate::plane::Refused;
use crate::status::Status;
use crate::table::Table;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long the router may take to answer, beyond what it was asked to wait: a table is written to
/// disk, which a busy disk may hold up for seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The client's side of the control surface. Holds no connection: one is made for each call.
#[derive(Debug, Clone)]
pub struct Control {
    path: PathBuf,
}

/// Why a router did not take a table.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The router has a later one.
    #[error("table is stale: the router has epoch {epoch}, version {version}")]
    Stale {
        /// The epoch of the table in force.
        epoch: u64,
        /// Its version.
        version: u64,
    },
    /// The router has another one with the same number.
    #[error("another table with epoch {epoch}, version {version} is in force")]
    Conflict {
        /// The epoch of both.
        epoch: u64,
        /// The version of both.
        version: u64,
    },
    /// The table contradicts itself.
    #[error("table is invalid: {0}")]
    Invalid(String),
    /// The router could not write it down; the last one is still in force.
    #[error("the router could not store the table: {0}")]
    Storage(String),
    /// No answer. Whether the table is in force is not known; applying it again is harmless.
    #[error("the router at {path} does not answer")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why a router's status cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the router at {path} does not tell its status")]
pub struct StatusError {
    /// The socket.
    pub path: PathBuf,
    /// What went wrong.
    pub source: Box<dyn Error + Send + Sync>,
}

type Failure = Box<dyn Error + Send + Sync>;

impl Control {
    /// Controls the router whose socket is at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Puts `table` in force. When this returns it is on the router's disk and every request that
    /// begins sees it. Applying the same table again is done at once.
    ///
    /// # Errors
    /// [`ApplyError`]; in all cases but `Unreachable` the last table stays in force.
    pub async fn apply(&self, table: &Table) -> Result<(), ApplyError> {
        let unreachable = |source| ApplyError::Unreachable { path: self.path.clone(), source };
        let body = serde_json::to_vec(table).map_err(|error| unreachable(error.into()))?;
        let request = Request::put("/table").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(body)).map_err(|error| unreachable(error.into()))?;
        let (status, answer) = self.ask(request, Duration::ZERO).await.map_err(unreachable)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let refused = serde_json::from_slice::<Refused>(&answer);
        Err(refused.map_err(|error| unreachable(error.into()))?.into())
    }

    /// Tells how everything stands: at once without `after`, otherwise as soon as the change sequence
    /// is beyond it, and at the latest after `wait` (of which the router takes 60 s at most).
    ///
    /// # Errors
    /// [`StatusError`] when the router does not answer.
    pub async fn status(&self, after: Option<u64>, wait: Duration) -> Result<Status, StatusError> {
        let failed = |source| StatusError { path: self.path.clone(), source };
        let after = after.map_or_else(String::new, |seq| format!("after={seq}&"));
        let request = Request::get(format!("/status?{after}wait_ms={}", wait.as_millis()));
        let request = request.body(Full::default()).map_err(|error| failed(error.into()))?;
        let (_, answer) = self.ask(request, wait).await.map_err(failed)?;
        serde_json::from_slice(&answer).map_err(|error| failed(error.into()))
    }

    /// The table in force; one with the number (0, 0) before the first.
    ///
    /// # Errors
    /// [`StatusError`] when the router does not answer.
    pub async fn table(&self) -> Result<Table, StatusError> {
        let failed = |source| StatusError { path: self.path.clone(), source };
        let request = Request::get("/table").body(Full::default());
        let request = request.map_err(|error| failed(error.into()))?;
        let (_, answer) = self.ask(request, Duration::ZERO).await.map_err(failed)?;
        serde_json::from_slice(&answer).map_err(|error| failed(error.into()))
    }

    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let exchange = async {
            let stream = TokioIo::new(UnixStream::connect(&self.path).await?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            let answer = async {
                let response = sender.send_request(with_host(request)).await?;
                let status = response.status();
                Ok((status, response.into_body().collect().await?.to_bytes()))
            };
            // The connection never ends by itself while the sender lives.
            tokio::select! {
                answer = answer => answer,
                ended = connection => Err(ended.err().map_or_else(|| "closed".into(), Failure::from)),
            }
        };
        tokio::time::timeout(ANSWER_TIMEOUT + wait, exchange).await?
    }
}

fn with_host(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let host = const { http::HeaderValue::from_static("router") };
    request.headers_mut().insert(header::HOST, host);
    request
}

impl From<Refused> for ApplyError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stale { epoch, version } => Self::Stale { epoch, version },
            Refused::Conflict { epoch, version } => Self::Conflict { epoch, version },
            Refused::Invalid { reason } => Self::Invalid(reason),
            Refused::Storage { reason } => Self::Storage(reason),
        }
    }
}
