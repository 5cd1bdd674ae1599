//! Instances: real HTTP servers in this process, and raw sockets where HTTP is to be broken.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// One request as an instance saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The router's port, which tells connections apart.
    pub(crate) peer: u16,
}

#[derive(Clone, Copy)]
struct Peer(u16);

/// A listening instance. Requests for `/live` and `/ready` are checks: they get `health`, or no answer
/// while that is 0, and are not kept.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) health: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Backend {
    /// One that answers every request with `name`.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::with(move |_| async move { Response::new(text(name)) }).await
    }

    /// One that reads each request whole and lets `answer` decide.
    pub(crate) async fn with<F, A>(answer: F) -> Self
    where
        F: Fn(Seen) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send,
    {
        Self::raw(move |request: Request<Incoming>, seen| {
            let answer = answer.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body =
                    body.collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
                let Peer(peer) = parts.extensions.get().copied().unwrap();
                let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
                let one = Seen { method, uri, headers, body, peer };
                seen.lock().unwrap().push(one.clone());
                answer(one).await
            }
        })
        .await
    }

    /// One whose `answer` gets the request unread.
    pub(crate) async fn raw<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>, Arc<Mutex<Vec<Seen>>>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send,
    {
        Self::sockets(move |stream, seen, health| {
            let answer = answer.clone();
            async move {
                let peer = Peer(stream.peer_addr().map_or(0, |peer| peer.port()));
                let service = service_fn(|mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    let (answer, seen, health) = (answer.clone(), seen.clone(), health.clone());
                    async move { Ok::<_, Infallible>(respond(request, answer, seen, health).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                drop(server.serve_connection(TokioIo::new(stream), service).with_upgrades().await);
            }
        })
        .await
    }

    /// One that speaks for itself on every connection.
    pub(crate) async fn sockets<F, A>(serve: F) -> Self
    where
        F: Fn(TcpStream, Arc<Mutex<Vec<Seen>>>, Arc<AtomicU16>) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, health) = (Arc::default(), Arc::new(AtomicU16::new(200)));
        let (seen2, health2) = (Arc::clone(&seen), Arc::clone(&health));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&seen2), Arc::clone(&health2)));
            }
        });
        Self { address, seen, health, task }
    }

    /// One that reads heads itself: checks pass, and every other connection is given to `then` with
    /// the head it began with.
    pub(crate) async fn heads<F, A>(then: F) -> Self
    where
        F: Fn(TcpStream, String) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::sockets(move |mut stream, seen, _| {
            let then = then.clone();
            async move {
                let head = read_head(&mut stream).await;
                if head.starts_with("GET /live") || head.starts_with("GET /ready") {
                    drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
                    return;
                }
                let mut words = head.split(' ');
                let method = words.next().unwrap().parse().unwrap_or_default();
                let uri = words.next().unwrap_or("/").parse().unwrap();
                let (headers, body) = (HeaderMap::new(), Bytes::new());
                let one = Seen { method, uri, headers, body, peer: 0 };
                seen.lock().unwrap().push(one);
                then(stream, head).await;
            }
        })
        .await
    }

    /// Ends it: when this returns nothing listens there any more.
    pub(crate) async fn close(mut self) {
        self.task.abort();
        drop((&mut self.task).await);
    }

    /// What came so far, checks left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn set_health(&self, status: u16) {
        self.health.store(status, SeqCst);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond<F, A>(
    request: Request<Incoming>,
    answer: F,
    seen: Arc<Mutex<Vec<Seen>>>,
    health: Arc<AtomicU16>,
) -> Response<Body>
where
    F: Fn(Request<Incoming>, Arc<Mutex<Vec<Seen>>>) -> A,
    A: Future<Output = Response<Body>>,
{
    if !["/live", "/ready"].contains(&request.uri().path()) {
        return answer(request, seen).await;
    }
    let status = match health.load(SeqCst) {
        0 => std::future::pending().await,
        status => StatusCode::from_u16(status).unwrap(),
    };
    let mut response = Response::new(text("sick\nand tired"));
    *response.status_mut() = status;
    response
}

/// A whole body.
pub(crate) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// Reads up to and with the empty line.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
