//! The traffic listener: taking connections, serving them, letting them end.

use crate::forward::forward;
use crate::headers;
use crate::plane::Plane;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

/// How many connections may wait to be taken.
const BACKLOG: u32 = 4096;
/// The most client connections at a time. Each takes some 20 KiB while it is busy.
const MOST_CONNECTIONS: u64 = 16_384;
/// Descriptors for everything but traffic.
const OTHER_FILES: u64 = 128;
/// The largest head of a request, as much as nginx takes (4 buffers of 8 KiB); hyper allows 100
/// headers in it.
const HEAD_BYTES: usize = 32 * 1024;
/// The most that is read ahead of an instance.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest wait for the head of a next request to be complete, which also bounds how long an
/// idle connection is kept, and how long one can be held by sending slowly.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause after the system refused another connection, as it does without free descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes over an inherited socket, or listens on `address`.
pub(crate) fn listen(address: SocketAddr, inherited: Option<OwnedFd>) -> io::Result<TcpListener> {
    if let Some(fd) = inherited {
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        return TcpListener::from_std(listener);
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The client connections that are open: each holds a receiver for as long as it is served.
#[derive(Debug, Default)]
pub(crate) struct Open(watch::Sender<()>);

impl Open {
    /// Asks every connection to end after the request it is busy with, and waits until all have.
    pub(crate) async fn close(self) {
        self.0.send_replace(());
        self.0.closed().await;
    }
}

/// Takes connections until it is dropped.
pub(crate) async fn accept(listener: &TcpListener, plane: &Arc<Plane>, open: &Open) {
    let room = Arc::new(Semaphore::new(room()));
    let builder = builder();
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, client)) => {
                let plane = Arc::clone(plane);
                let served = serve(builder.clone(), stream, client, plane, open.0.subscribe());
                tokio::spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "no connection taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How many connections there is room for, each with one to an instance, after the process has
/// raised its limit of open files as far as it may.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let pairs = files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES) / 2);
    usize::try_from(pairs.clamp(1, MOST_CONNECTIONS)).unwrap_or(usize::MAX)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES);
    builder
}

/// Serves one connection to its end.
async fn serve(
    builder: Builder,
    stream: TcpStream,
    client: SocketAddr,
    plane: Arc<Plane>,
    mut closing: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(error = %error, "connection closed before it was served");
    }
    let client = headers::forwarded_for(client.ip());
    let service = service_fn(|request: Request<Incoming>| async {
        Ok::<_, Infallible>(forward(&plane, &client, request).await)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended");
    }
}
