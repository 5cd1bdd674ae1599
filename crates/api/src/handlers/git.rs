//! Configuration over git's own protocol: clone, fetch, push.

use super::configuration::ensure;
use crate::app::{App, Shared};
use crate::refusal::Refusal;
use crate::request::{Caller, Names, Parameters, PlainRefusal};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use kiln_config::{Answer, Ask, Encoding, Moved, Pack, Protocol, Question, Repositories};
use kiln_names::{AppName, EnvName};
use kiln_protocol::{Code, paths};
use kiln_store::audit::{self, By};
use kiln_store::{Database, StoreError};
use serde::Deserialize;
use serde_json::json;
use std::io;
use tokio::sync::mpsc;

/// How many pieces of a question wait for git before the one who asks has to.
const QUEUE: usize = 8;

/// The header in which git says what it speaks.
const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

/// What git is about to do.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct Service {
    /// `git-upload-pack` or `git-receive-pack`.
    service: Option<String>,
}

/// Tells git the newest commit of a configuration, before a clone, a fetch or a push.
#[utoipa::path(get, path = paths::GIT_REFERENCES, tag = "configuration", params(Service),
    responses((status = 200, body = Vec<u8>)))]
pub(crate) async fn references(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(repository): Names<String>,
    Parameters(Service { service }): Parameters<Service>,
    headers: HeaderMap,
) -> Result<Response, PlainRefusal> {
    let pack = service.as_deref().and_then(Pack::parse).ok_or_else(|| {
        Refusal::new(Code::BadRequest, "git 1.6.6 or newer is needed to clone and push")
    })?;
    answer(&kiln, by, &repository, Ask::References(pack), &headers, Body::empty()).await
}

/// Gives git the commits that it lacks.
#[utoipa::path(post, path = paths::GIT_FETCH, tag = "configuration",
    request_body(content = Vec<u8>, content_type = "application/x-git-upload-pack-request"),
    responses((status = 200, body = Vec<u8>)))]
pub(crate) async fn fetch(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(repository): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PlainRefusal> {
    answer(&kiln, by, &repository, Ask::Exchange(Pack::Upload), &headers, body).await
}

/// Takes commits that git pushes, if the newest is a valid configuration.
#[utoipa::path(post, path = paths::GIT_PUSH, tag = "configuration",
    request_body(content = Vec<u8>, content_type = "application/x-git-receive-pack-request"),
    responses((status = 200, body = Vec<u8>)))]
pub(crate) async fn push(
    State(kiln): Shared,
    Caller(by): Caller,
    Names(repository): Names<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PlainRefusal> {
    answer(&kiln, by, &repository, Ask::Exchange(Pack::Receive), &headers, body).await
}

async fn answer(
    kiln: &App,
    by: By,
    repository: &str,
    ask: Ask,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, PlainRefusal> {
    let (app, env) = Repositories::owners(repository).ok_or_else(|| {
        Refusal::new(Code::NoSuchPath, "a configuration is cloned as /git/APP-ENV.git")
    })?;
    if let Ask::Exchange(pack) = ask {
        check_kind(pack, headers)?;
    }
    ensure(kiln, &app, &env).await?;
    let encoding = encoding(headers)?;
    let protocol = text(headers, &GIT_PROTOCOL).and_then(Protocol::parse);
    let (who, database) = (by.who.clone(), kiln.database.clone());
    let place = (app.clone(), env.clone());
    let question = Question { app, env, ask, who, encoding, protocol };
    let tell = async move |moved| told(&database, &by, &place, moved).await;
    let answer = kiln.git.ask(question, pieces(body), tell).await.map_err(Refusal::from)?;
    Ok(response(answer))
}

/// A browser sends no such type across sites without asking first.
fn check_kind(pack: Pack, headers: &HeaderMap) -> Result<(), Refusal> {
    let expected = format!("application/x-{}-request", pack.as_str());
    match text(headers, &header::CONTENT_TYPE) {
        Some(kind) if kind == expected => Ok(()),
        _ => Err(Refusal::new(
            Code::UnsupportedMediaType,
            format!("the body is to be {expected}, as git sends it"),
        )),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    match text(headers, &header::CONTENT_ENCODING) {
        None | Some("identity") => Ok(Encoding::Plain),
        Some("gzip" | "x-gzip") => Ok(Encoding::Gzip),
        Some(other) => {
            let detail = format!("a body is sent as it is or in gzip, not in {other:?}");
            Err(Refusal::new(Code::UnsupportedMediaType, detail))
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The body, piece by piece, as fast as git takes it.
fn pieces(mut body: Body) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let piece = match frame {
                Ok(frame) => frame.into_data().map_err(drop).map(Ok),
                Err(error) => Ok(Err(io::Error::other(error))),
            };
            // What is no data is of no use to git; a closed channel means that it has given up.
            if let Ok(piece) = piece
                && sender.send(piece).await.is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn response(answer: Answer) -> Response {
    let body = futures_util::stream::unfold(answer.body, async |mut pieces| {
        let piece = pieces.next().await?;
        Some((piece, pieces))
    });
    let mut response = Body::from_stream(body).into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &answer.headers {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Records a push. Git has moved the branch by then; what cannot be recorded is at least logged.
async fn told(database: &Database, by: &By, (app, env): &(AppName, EnvName), moved: Moved) {
    let Moved { from, to } = moved;
    let what = json!({"did": "push configuration", "app": app, "env": env, "from": from, "to": to});
    if let Err(error) = record(database, by, &what).await {
        tracing::error!(%error, %what, by.who, "a push is not recorded");
    }
}

async fn record(database: &Database, by: &By, what: &serde_json::Value) -> Result<(), StoreError> {
    let mut db = database.write().await?;
    audit::record(&mut db, by, what).await?;
    db.commit().await
}
