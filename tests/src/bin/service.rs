//! The service that tests deploy: answers well, or fails in the way its argument names.

use anyhow::{Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How much a slow reader gets to read.
const SLOW_BYTES: usize = 1 << 20;

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let Err(error) = run(&mode) else { return ExitCode::SUCCESS };
    writeln!(std::io::stderr(), "giving up: {error}").ok();
    ExitCode::FAILURE
}

fn run(mode: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Without a handler the first process of a container is deaf to the signal.
        let mut stop = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = play(mode) => ended,
            _ = stop.recv() => Ok(()),
        }
    })
}

async fn play(mode: &str) -> Result<()> {
    say(&format!("service {mode} begins"));
    match mode {
        "serve" => serve(StatusCode::OK).await,
        "spiky" => {
            spike();
            serve(StatusCode::OK).await
        }
        "flaky" => {
            FLAKY.store(true, Ordering::Relaxed);
            serve(StatusCode::OK).await
        }
        "broken" => serve(StatusCode::INTERNAL_SERVER_ERROR).await,
        "late" => {
            tokio::time::sleep(Duration::from_secs(2)).await;
            serve(StatusCode::OK).await
        }
        "exit" => bail!("no database at db.example"),
        "deaf" => std::future::pending().await,
        "hungry" => eat().await,
        "work" => work().await,
        other => bail!("{other:?} is nothing that this service does"),
    }
}

/// Whether every third answer to `/` is an error.
static FLAKY: AtomicBool = AtomicBool::new(false);
static ANSWERED: AtomicU64 = AtomicU64::new(0);

fn stumbles() -> bool {
    FLAKY.load(Ordering::Relaxed) && ANSWERED.fetch_add(1, Ordering::Relaxed).is_multiple_of(3)
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

/// Takes 48 MiB for a moment that nobody who looks now and then would see.
fn spike() {
    let taken: Vec<Vec<u8>> = (0..48).map(|_| vec![1_u8; 1 << 20]).collect();
    say(&format!("had {} MiB", taken.len()));
}

/// Takes all the memory that there is.
async fn eat() -> Result<()> {
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; 1 << 20]);
        tokio::task::yield_now().await;
    }
}

/// Works on nothing, and says so.
async fn work() -> Result<()> {
    for n in 0_u64.. {
        say(&format!("worked {n} times"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn serve(status: StatusCode) -> Result<()> {
    let version: Arc<str> = std::fs::read_to_string("/srv/version")?.into();
    let port = variable("PORT").unwrap_or_default().parse().unwrap_or(8080_u16);
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    say(&format!("listening on {port}"));
    loop {
        let (stream, _) = listener.accept().await?;
        let version = version.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, version.clone(), status));
            let http = hyper::server::conn::http1::Builder::new();
            http.serve_connection(TokioIo::new(stream), answer).await.ok();
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    version: Arc<str>,
    status: StatusCode,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path().to_owned();
    let body = match (head.method, &*path) {
        (Method::POST, _) => body,
        (_, "/slow") => Bytes::from(version.repeat(SLOW_BYTES / version.len().max(1))),
        (_, "/greeting") => Bytes::from(variable("GREETING").unwrap_or_default()),
        (_, "/secret") => Bytes::from(digest_of_secret()),
        (_, "/whoami") => Bytes::from(variable("KILN_INSTANCE").unwrap_or_default()),
        (_, "/crash") => {
            say("told to crash");
            std::process::abort()
        }
        _ if status != StatusCode::OK => Bytes::from_static(b"the database is on fire"),
        _ => Bytes::from(version.to_string()),
    };
    let status = if path == "/" && stumbles() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
    let answer = Response::builder().status(status).header("x-version", version.trim());
    Ok(answer.body(Full::new(body).boxed()).unwrap_or_default())
}

/// What tells its secret without telling it.
fn digest_of_secret() -> String {
    use sha2::Digest;
    match std::fs::read("/run/kiln/secrets/token") {
        Ok(token) => sha2::Sha256::digest(token).iter().map(|b| format!("{b:02x}")).collect(),
        Err(error) => format!("none: {error}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what the service is for")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
