//! Connections: the socket for local root, TCP for holders of the token.

use crate::{App, router, token};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::fs::Permissions;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// The most connections at once on one listener; more wait.
const MAX_CONNECTIONS: usize = 512;

/// How long the head of a request may take, and how long a connection may idle before one.
const HEAD: Duration = Duration::from_secs(75);

/// How long requests in progress may take to end when the server stops; streams never do.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long to wait when the system cannot give another connection, out of descriptors say.
const BREATH: Duration = Duration::from_millis(100);

/// Makes the socket at `path`, for root alone, in place of one that an earlier process left. The
/// path may be longer than the kernel's 107 bytes.
///
/// # Errors
/// Those of the system.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket's path has no name"));
    };
    let handle = std::fs::File::open(directory)?;
    let directory = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    // Nobody can connect before the mode is set: the name it has until then is not known to anyone.
    let unfinished = directory.join(format!(".kiln-socket-{}", std::process::id()));
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    std::fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    std::fs::rename(&unfinished, directory.join(name))?;
    Ok(listener)
}

/// Serves the socket until `stop` ends; then no new request is taken and those in progress have two
/// seconds.
pub async fn serve_unix(
    listener: UnixListener,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send,
) {
    serve(listener, router(app), stop).await;
}

/// The same over TCP, for requests with the token.
pub async fn serve_tcp(
    listener: TcpListener,
    app: Arc<App>,
    token: &str,
    stop: impl Future<Output = ()> + Send,
) {
    let guard = axum::middleware::from_fn_with_state(Arc::<str>::from(token), token::check);
    serve(listener, router(app).layer(guard), stop).await;
}

/// Where connections come from.
trait Accept: Sync {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn serve(listener: impl Accept, router: Router, stop: impl Future<Output = ()> + Send) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (permit.expect("the semaphore is never closed"), listener.next().await)
        };
        let (permit, stream) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let stream = match stream {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(stream, service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(permit);
        });
    }
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were still open when the server stopped");
    }
}
