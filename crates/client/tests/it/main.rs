//! The client against a real socket with a hand-written server behind it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use futures_util::StreamExt as _;
use kiln_client::{Client, ClientError, Endpoint, LogQuery};
use kiln_names::{AppName, EnvName};
use kiln_protocol::{Code, Exit};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// Answers each request on one connection with the next of `answers`; returns what it was asked.
fn serve(data: &Path, answers: Vec<String>) -> tokio::task::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(data.join("kiln.sock")).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        for answer in answers {
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "closed early");
            }
            asked.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    })
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn client(data: &Path) -> Client {
    Client::new(Endpoint::in_data(data), Some("secret"), Some("ada")).unwrap()
}

fn hello() -> AppName {
    AppName::parse("hello").unwrap()
}

#[tokio::test]
async fn two_questions_share_one_connection_and_carry_token_and_user() {
    let data = tempfile::tempdir().unwrap();
    let none = answer("200 OK", "application/json", "[]");
    let server = serve(data.path(), vec![none.clone(), none]);
    let client = client(data.path());
    assert!(client.apps().await.unwrap().is_empty());
    assert!(client.status(Some(&hello()), None).await.unwrap().is_empty());
    let asked = server.await.unwrap();
    assert!(asked[0].starts_with("GET /v1/apps HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("authorization: Bearer secret\r\n"));
    assert!(asked[0].contains("x-kiln-user: ada\r\n"));
    assert!(asked[1].starts_with("GET /v1/status?app=hello "), "{}", asked[1]);
}

#[tokio::test]
async fn a_problem_document_becomes_its_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let problem = kiln_protocol::Problem::new(Code::AppNotFound, "no application hello");
    let body = serde_json::to_string(&problem).unwrap();
    serve(data.path(), vec![answer("404 Not Found", "application/problem+json", &body)]);
    let error = client(data.path()).app(&hello()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    assert_eq!(error.to_string(), "no application hello");
}

#[tokio::test]
async fn events_come_one_by_one_and_a_problem_ends_them() {
    let data = tempfile::tempdir().unwrap();
    let line = r#"{"instance":"0123456789ab","group":"hello-prod-web-v001","time":"","source":"stdout","text":"up"}"#;
    let problem = serde_json::to_string(&kiln_protocol::Problem::new(Code::Internal, "x")).unwrap();
    let body = format!("data: {line}\n\n:\n\nevent: problem\ndata: {problem}\n\n");
    serve(data.path(), vec![answer("200 OK", "text/event-stream", &body)]);
    let query = LogQuery { group: None, instance: None, tail: 10, follow: false };
    let env = EnvName::parse("prod").unwrap();
    let client = client(data.path());
    let mut events = client.logs(&hello(), &env, &query).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().text, "up");
    assert!(matches!(events.next().await, Some(Err(ClientError::Problem(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_not_an_end() {
    let data = tempfile::tempdir().unwrap();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n:\n\n\n\r\n";
    serve(data.path(), vec![head.to_owned()]);
    let query = LogQuery { group: None, instance: None, tail: 10, follow: true };
    let env = EnvName::parse("prod").unwrap();
    let client = client(data.path());
    let mut events = client.logs(&hello(), &env, &query).await.unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert!(error.is_lost(), "{error:?}");
}

#[tokio::test]
async fn nobody_there_says_how_to_start_it() {
    let data = tempfile::tempdir().unwrap();
    let error = client(data.path()).apps().await.unwrap_err();
    assert_eq!(error.exit(), Exit::Unreachable);
    assert!(error.hint().unwrap().contains("kiln up --data"), "{error:?}");
}

#[tokio::test]
async fn a_data_directory_with_a_very_long_path_is_reached() {
    let root = tempfile::tempdir().unwrap();
    let long = root.path().join("d".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let short = root.path().join("s");
    std::fs::create_dir(&short).unwrap();
    serve(&short, vec![answer("200 OK", "application/json", "[]")]);
    std::fs::rename(short.join("kiln.sock"), long.join("kiln.sock")).unwrap();
    assert!(client(&long).apps().await.unwrap().is_empty());
}
