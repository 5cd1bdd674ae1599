//! Calls over HTTP and HTTPS to what configurations name: one request, one answer.
//!
//! # Guarantees
//! No redirect is followed and nothing is sent twice. An answer is read to a limit. TLS trusts what the
//! machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded), as it is at the time of the call.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long it may take until somebody is there.
const CONNECT: Duration = Duration::from_secs(10);
/// A silent connection is asked for a sign of life so often, and given up after three without.
const ALIVE: Duration = Duration::from_secs(10);
/// How long the rest of an answer may take after its head.
const BODY: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As much as the limit allowed, and as came in time.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) whole: bool,
}

/// Makes one call, and reads at most `limit` bytes of what is answered.
///
/// # Errors
/// Why there is no answer, in words.
///
/// # Cancellation
/// Dropped, it closes the connection; whether the request arrived is not known then.
pub(super) async fn call(request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, String> {
    let tls = request.uri().scheme_str() == Some("https");
    let answered =
        if tls { exchange(https().await?, request).await } else { exchange(http(), request).await };
    let (head, body) = answered.map_err(told)?.into_parts();
    let (body, whole) = read(body, limit).await;
    Ok(Answer { status: head.status, headers: head.headers, body, whole })
}

async fn exchange<C>(
    connector: C,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build(connector);
    client.request(request).await
}

fn http() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT));
    http.set_keepalive(Some(ALIVE));
    http.set_keepalive_interval(Some(ALIVE));
    http.set_keepalive_retries(Some(3));
    http
}

/// With the machine's root certificates, which are some hundred files.
async fn https() -> Result<HttpsConnector<HttpConnector>, String> {
    let roots = tokio::task::spawn_blocking(|| HttpsConnectorBuilder::new().with_native_roots());
    let roots = roots.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let builder = roots.map_err(|error| {
        format!("this machine trusts nobody, {error}: install the package ca-certificates")
    })?;
    Ok(builder.https_only().enable_http1().wrap_connector(http()))
}

/// What lies behind an error: what the layers above it add says nothing more.
fn told(error: Error) -> String {
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    format!("{what}: {}", anyhow::Error::new(error).root_cause())
}

async fn read(mut body: Incoming, limit: usize) -> (Vec<u8>, bool) {
    let (until, mut bytes) = (Instant::now() + BODY, Vec::new());
    loop {
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            ended => return (bytes, matches!(ended, Ok(None))),
        };
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
        if bytes.len() > limit {
            bytes.truncate(limit);
            return (bytes, false);
        }
    }
}
