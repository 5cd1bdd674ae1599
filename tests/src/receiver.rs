//! A receiver of calls over HTTP or HTTPS: a server that answers as it is told, and remembers what
//! it was asked.

use crate::Authority;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The longest body that is read.
const MAX_BODY: usize = 64 << 10;

/// A receiver. Dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    /// Before it listens: the address is taken, and whoever connects is refused.
    away: Mutex<Option<TcpSocket>>,
    runtime: Option<Runtime>,
}

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Method and path with query.
    pub what: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as JSON.
    pub body: Value,
}

/// What is answered.
#[derive(Debug, Clone)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    text: String,
    after: Duration,
}

#[derive(Debug)]
struct State {
    heard: Mutex<Vec<Heard>>,
    reply: Mutex<Reply>,
}

impl Receiver {
    /// One that answers every call with 200.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let receiver = Self::away();
        receiver.comes();
        receiver
    }

    /// One that has an address and does not listen yet.
    ///
    /// # Panics
    /// When there is no free address.
    #[must_use]
    pub fn away() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let reply =
            Reply { status: 200, headers: Vec::new(), text: String::new(), after: Duration::ZERO };
        let state = State { heard: Mutex::default(), reply: Mutex::new(reply) };
        let runtime = Runtime::new().expect("a runtime");
        Self {
            address,
            state: Arc::new(state),
            away: Mutex::new(Some(socket)),
            runtime: Some(runtime),
        }
    }

    /// One that speaks TLS, as `localhost`.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn with_tls(authority: &Authority) -> Self {
        let receiver = Self::away();
        receiver.listen(Some(authority.acceptor()));
        receiver
    }

    /// Begins to listen.
    ///
    /// # Panics
    /// When it does already.
    pub fn comes(&self) {
        self.listen(None);
    }

    fn listen(&self, tls: Option<TlsAcceptor>) {
        let socket =
            self.away.lock().expect("nobody panicked").take().expect("it does not listen yet");
        let runtime = self.runtime.as_ref().expect("it lives");
        let inside = runtime.enter();
        let listener = socket.listen(64).expect("the address is its own");
        drop(inside);
        runtime.spawn(serve(listener, tls, self.state.clone()));
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same over TLS.
    #[must_use]
    pub fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// From now on it answers that.
    pub fn answers(&self, status: u16, text: &str) {
        self.change(|reply| (reply.status, reply.text) = (status, text.to_owned()));
    }

    /// From now on its answers have that header.
    pub fn adds(&self, name: &'static str, value: &str) {
        self.change(|reply| reply.headers.push((name, value.to_owned())));
    }

    /// From now on it takes so long to answer.
    pub fn takes(&self, time: Duration) {
        self.change(|reply| reply.after = time);
    }

    fn change(&self, change: impl FnOnce(&mut Reply)) {
        change(&mut self.state.reply.lock().expect("nobody panicked"));
    }

    /// All that it was asked, in order.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.state.heard.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            match tls {
                // Who does not trust it hangs up.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, state).await;
                    }
                }
                None => talk(stream, state).await,
            }
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(|request| answer(request, state.clone()));
    // Who hangs up early is part of the tests.
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map(|body| body.to_bytes());
    let body = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
    let heard =
        Heard { what: format!("{} {}", head.method, head.uri), headers: head.headers, body };
    state.heard.lock().expect("nobody panicked").push(heard);
    let Reply { status, headers, text, after } =
        state.reply.lock().expect("nobody panicked").clone();
    tokio::time::sleep(after).await;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(text.into())).expect("the test has chosen well"))
}
