//! One HTTP/1.1 connection.

use crate::endpoint::Stream;
use crate::{ClientError, Endpoint};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Duration;

/// What a request carries.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// How long a connection may take to be made; the server is near, or it is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the head of an answer may take. Long answers come as events, after their head.
const ANSWER: Duration = Duration::from_secs(120);

/// How long it may take when much is sent before it: it comes after the last byte.
const UPLOADED: Duration = Duration::from_secs(3600);

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(crate) struct Connection(http1::SendRequest<Body>);

impl Connection {
    /// Connects; a background task drives the connection until it ends.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable { endpoint: endpoint.clone(), source };
        let stream = match tokio::time::timeout(CONNECT, endpoint.connect()).await {
            Ok(stream) => stream.map_err(unreachable)?,
            Err(late) => return Err(unreachable(late.into())),
        };
        let sender = match stream {
            Stream::Unix(stream) => drive(TokioIo::new(stream)).await,
            Stream::Tcp(stream) => drive(TokioIo::new(stream)).await,
        };
        sender.map(Self).map_err(lost)
    }

    /// Whether another request may be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, ClientError> {
        self.0.ready().await.map_err(lost)?;
        let patience = if request.method() == Method::PUT { UPLOADED } else { ANSWER };
        match tokio::time::timeout(patience, self.0.send_request(request)).await {
            Ok(answer) => answer.map_err(lost),
            Err(_) => Err(ClientError::Silent { seconds: patience.as_secs() }),
        }
    }
}

async fn drive<I>(io: I) -> hyper::Result<http1::SendRequest<Body>>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await?;
    // How the connection ends is seen by whoever waits for an answer on it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

/// A broken connection, or an upload that could not be read.
pub(crate) fn lost(error: hyper::Error) -> ClientError {
    if !error.is_user() {
        return ClientError::Lost(error.into());
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    ClientError::Upload(std::io::Error::other(cause.unwrap_or_else(|| error.to_string())))
}
