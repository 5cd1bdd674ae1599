//! Asking, and reading answers.

use crate::connection::{Body, Connection, lost};
use crate::{ClientError, Download, Endpoint, Events};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::Incoming;
use kiln_protocol::wire::{EVENT_STREAM, USER_HEADER};
use kiln_protocol::{PROBLEM_JSON, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Mutex;

/// The largest answer that is read whole.
const MAX_ANSWER: usize = 32 << 20;

/// A Kiln, to be asked.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    authorization: Option<http::HeaderValue>,
    user: Option<http::HeaderValue>,
    /// The connections of questions whose answers were read to their end.
    idle: Mutex<Vec<Connection>>,
}

impl Client {
    /// A client of the Kiln at `endpoint`; nothing is connected yet. `user` is recorded as the one
    /// who asks and opens no door.
    ///
    /// # Errors
    /// [`ClientError::Token`] when `token` cannot be one.
    pub fn new(
        endpoint: Endpoint,
        token: Option<&str>,
        user: Option<&str>,
    ) -> Result<Self, ClientError> {
        let bearer = |token: &str| {
            let mut value = http::HeaderValue::try_from(format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let bearer = token.map(bearer).transpose();
        let authorization =
            bearer.map_err(|_: http::header::InvalidHeaderValue| ClientError::Token)?;
        let user = user.and_then(|user| user.parse().ok());
        Ok(Self { endpoint, authorization, user, idle: Mutex::default() })
    }

    /// Where it asks.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks without a body, and reads the answer.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<A, ClientError> {
        let request = self.request(method, path).body(nothing());
        parse(&self.whole(request).await?)
    }

    /// Asks with a JSON body, and reads the answer.
    pub(crate) async fn tell<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        question: &Q,
    ) -> Result<A, ClientError> {
        parse(&self.whole(self.json(method, path, question)).await?)
    }

    /// Asks without a body; the answer is nothing but that it was done.
    pub(crate) async fn order(&self, method: Method, path: &str) -> Result<(), ClientError> {
        let request = self.request(method, path).body(nothing());
        self.whole(request).await.map(drop)
    }

    /// Sends bytes that are no JSON.
    pub(crate) async fn upload(
        &self,
        path: &str,
        size: u64,
        body: Body,
    ) -> Result<(), ClientError> {
        let request = self
            .request(Method::PUT, path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, size)
            .body(body);
        self.whole(request).await.map(drop)
    }

    /// Sends a few bytes that are no JSON, and reads the answer.
    pub(crate) async fn hand<A: DeserializeOwned>(
        &self,
        path: &str,
        bytes: Bytes,
    ) -> Result<A, ClientError> {
        let request = self
            .request(Method::PUT, path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(bytes).map_err(|never| match never {}).boxed());
        parse(&self.whole(request).await?)
    }

    /// Asks without a body for a stream of events.
    pub(crate) async fn follow<E: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<Events<E>, ClientError> {
        let request = self.request(Method::GET, path);
        self.stream(request.header(header::ACCEPT, EVENT_STREAM).body(nothing())).await
    }

    /// Asks with a JSON body for a stream of events.
    pub(crate) async fn begin<Q: Serialize + Sync, E: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<Events<E>, ClientError> {
        self.stream(self.json(Method::POST, path, question)).await
    }

    /// Asks without a body for bytes that are no JSON.
    pub(crate) async fn fetch(&self, path: &str) -> Result<Incoming, ClientError> {
        Ok(self.bytes(path).await?.into_body())
    }

    /// The same, with how many there are.
    pub(crate) async fn download(&self, path: &str) -> Result<Download, ClientError> {
        Ok(Download::new(self.bytes(path).await?))
    }

    async fn bytes(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        let (connection, answer) =
            self.send(self.request(Method::GET, path).body(nothing())).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = read(answer).await?;
        self.keep(connection);
        Err(refusal(status, &body))
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.prefix()))
            .header(header::HOST, self.endpoint.host());
        let own = [(header::AUTHORIZATION, &self.authorization), (USER, &self.user)];
        for (name, value) in own {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request
    }

    fn json<Q: Serialize>(
        &self,
        method: Method,
        path: &str,
        question: &Q,
    ) -> http::Result<Request<Body>> {
        let text = serde_json::to_vec(question).expect("the protocol's types are JSON");
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        request.body(body)
    }

    /// Reads an answer to its end and keeps the connection for the next question.
    async fn whole(&self, request: http::Result<Request<Body>>) -> Result<Bytes, ClientError> {
        let (connection, answer) = self.send(request).await?;
        let status = answer.status();
        let body = read(answer).await?;
        self.keep(connection);
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }

    async fn stream<E: DeserializeOwned + Send + 'static>(
        &self,
        request: http::Result<Request<Body>>,
    ) -> Result<Events<E>, ClientError> {
        let (connection, answer) = self.send(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Events::new(answer.into_body()));
        }
        let body = read(answer).await?;
        self.keep(connection);
        Err(refusal(status, &body))
    }

    fn keep(&self, connection: Connection) {
        self.idle.lock().expect("nobody panics while it is held").push(connection);
    }

    async fn send(
        &self,
        request: http::Result<Request<Body>>,
    ) -> Result<(Connection, Response<Incoming>), ClientError> {
        let request = request.map_err(|error| ClientError::Answer(error.to_string()))?;
        let idle = self.idle.lock().expect("nobody panics while it is held").pop();
        let mut connection = match idle.filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(&self.endpoint).await?,
        };
        let answer = connection.send(request).await?;
        Ok((connection, answer))
    }
}

const USER: header::HeaderName = header::HeaderName::from_static(USER_HEADER);

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        match error.downcast::<hyper::Error>() {
            Ok(error) => lost(*error),
            Err(error) => ClientError::Answer(error.to_string()),
        }
    })
}

fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Answer(error.to_string()))
}

/// A problem document, or what stands for one when something else than Kiln answered.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.into(),
        Err(_) => ClientError::Answer(format!("status {status} without {PROBLEM_JSON}")),
    }
}
