//! The router's side of the control surface.

use crate::plane::{Plane, Refused};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// The largest table in bytes: some 250 per instance, for more instances than a table may hold.
const TABLE_BYTES: usize = 32 << 20;
/// The longest a status may be waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after the system refused another connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// A socket that listens and that nobody can find yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: UnixListener,
    unfinished: PathBuf,
    path: PathBuf,
}

/// Makes the socket for `path` beside it, so that nobody can open it before its mode is set.
pub(crate) fn prepare(path: &Path) -> io::Result<Bound> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    std::fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    Ok(Bound { listener, unfinished, path: path.to_owned() })
}

impl Bound {
    /// Gives it its path, in place of whatever socket is there, so that nobody finds it missing.
    pub(crate) fn publish(self) -> io::Result<UnixListener> {
        std::fs::rename(self.unfinished, self.path)?;
        Ok(self.listener)
    }
}

/// Whose surface it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The router that has the place: what it acknowledges is on disk.
    Owner,
    /// One that has handed over: it follows its successor, which writes.
    Leaving,
}

/// Serves the surface until it is dropped, connections included.
pub(crate) async fn accept(listener: &UnixListener, plane: &Arc<Plane>, side: Side) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(plane), side))),
            Err(error) => {
                tracing::warn!(error = %error, "no control connection taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, plane: Arc<Plane>, side: Side) {
    let service = service_fn(|request: Request<Incoming>| async {
        Ok::<_, Infallible>(answer(&plane, side, request).await)
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new());
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error = %error, "control connection ended");
    }
}

async fn answer(plane: &Plane, side: Side, request: Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::PUT, "/table") => put_table(plane, side, request.into_body()).await,
        (&Method::GET, "/table") => json(StatusCode::OK, &plane.table()),
        (&Method::GET, "/status") => {
            let query = request.uri().query().unwrap_or_default();
            let number = |name: &str| parameter(query, name);
            let wait = Duration::from_millis(number("wait_ms").unwrap_or(0)).min(LONGEST_WAIT);
            json(StatusCode::OK, &plane.status(number("after"), wait).await)
        }
        _ => bare(StatusCode::NOT_FOUND),
    }
}

async fn put_table(plane: &Plane, side: Side, body: Incoming) -> Answer {
    match read_table(body).await {
        Ok(table) => match plane.take(table, side).await {
            Ok(()) => bare(StatusCode::NO_CONTENT),
            Err(refused) => refusal(&refused),
        },
        Err(error) => refusal(&Refused::Invalid { reason: error.to_string() }),
    }
}

async fn read_table(
    body: Incoming,
) -> Result<crate::table::Table, Box<dyn std::error::Error + Send + Sync>> {
    let bytes = Limited::new(body, TABLE_BYTES).collect().await?.to_bytes();
    Ok(serde_json::from_slice(&bytes)?)
}

fn refusal(refused: &Refused) -> Answer {
    let status = match refused {
        Refused::Stale { .. } | Refused::Conflict { .. } => StatusCode::CONFLICT,
        Refused::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Storage { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    json(status, refused)
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let mut answer = bare(status);
    *answer.body_mut() = serde_json::to_vec(value).expect("plain data with text keys").into();
    let json = const { HeaderValue::from_static("application/json") };
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

fn bare(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

fn parameter(query: &str, name: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_by_name() {
        assert_eq!(parameter("after=3&wait_ms=40", "wait_ms"), Some(40));
        assert_eq!(parameter("after=3&wait_ms=40", "after"), Some(3));
        assert_eq!(parameter("", "after"), None);
        assert_eq!(parameter("after=x", "after"), None);
    }
}
