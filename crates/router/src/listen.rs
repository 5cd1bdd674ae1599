//! The traffic listener: taking connections, serving them, letting them end.

use crate::forward::forward;
use crate::headers;
use crate::plane::Plane;
use crate::pulse::{BEAT, BeatTimer, Pulse};
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
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
/// idle connection is kept, and how long one can be held by sending slowly. It is over at the next
/// beat.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause after the system refused another connection, as it does without free descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Goes on with a socket that listens already.
pub(crate) fn go_on(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The client connections that are open: each holds a receiver for as long as it is served.
#[derive(Debug)]
pub(crate) struct Open(watch::Sender<Pulse>);

impl Default for Open {
    fn default() -> Self {
        Self(watch::Sender::new(Pulse::Beat))
    }
}

impl Open {
    /// Asks every connection to end after the request it is busy with, and waits until all have.
    pub(crate) async fn close(self) {
        self.0.send_replace(Pulse::Close);
        self.0.closed().await;
    }

    /// Gives connections their beat until all have ended.
    pub(crate) async fn last(&self) {
        tokio::select! {
            () = beat(self) => {}
            () = self.0.closed() => {}
        }
    }
}

/// Takes connections, and gives them their beat, until it is dropped.
pub(crate) async fn accept(listener: &TcpListener, plane: &Arc<Plane>, open: &Open) {
    tokio::join!(take(listener, plane, open), beat(open));
}

async fn beat(open: &Open) {
    loop {
        tokio::time::sleep(BEAT).await;
        open.0.send_replace(Pulse::Beat);
    }
}

async fn take(listener: &TcpListener, plane: &Arc<Plane>, open: &Open) {
    let room = Arc::new(Semaphore::new(room()));
    let builder = builder(HEAD_TIMEOUT);
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

fn builder(head_timeout: Duration) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(BeatTimer)
        .header_read_timeout(head_timeout)
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
    mut pulse: watch::Receiver<Pulse>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(error = %error, "connection closed before it was served");
    }
    let client = headers::forwarded_for(client.ip());
    let service = service_fn(|request: Request<Incoming>| {
        forward(&plane, &client, request)
            .map(|answer| Ok::<_, Infallible>(headers::last_if(plane.is_leaving(), answer)))
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            changed = pulse.changed() => {
                // A beat is only there for the connection to be looked at again.
                let ends = changed.is_err() || *pulse.borrow_and_update() == Pulse::Close;
                if ends {
                    connection.as_mut().graceful_shutdown();
                    break connection.await;
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Last;
    use crate::stored::Stored;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_head_that_does_not_end_is_waited_for_until_the_beat_after_its_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let (stored, _hold, last) = Stored::open(dir.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plane = Arc::new(Plane::new(address, stored, last, &Last::Unknown));
        let open = Open::default();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let builder = builder(Duration::from_millis(1));
        let served = tokio::spawn(serve(builder, stream, peer, plane, open.0.subscribe()));
        let beats = async {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                open.0.send_replace(Pulse::Beat);
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            () = beats => {}
            read = client.read_to_end(&mut answer) => assert_eq!(read.unwrap(), 0),
        }
        served.await.unwrap();
    }
}
