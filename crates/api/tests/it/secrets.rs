//! Secrets over the wire.

use crate::rig::{Rig, code, hello, problem, prod};
use kiln_names::{SecretName, SecretValue, SecretVersion};
use kiln_protocol::Code;
use kiln_protocol::catalog::{NewApp, NewEnvironment};
use kiln_store::audit;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_secret_is_set_listed_and_removed_and_never_read_back() {
    let rig = Rig::start().await;
    let client = &rig.client;
    let set = async |text| client.set_secret(&hello(), &prod(), &name("token"), value(text)).await;
    assert_eq!(code(set("one").await), Code::AppNotFound);
    client.create_app(&NewApp { name: hello(), contact: None }).await.unwrap();
    assert_eq!(code(set("one").await), Code::EnvNotFound);
    assert_eq!(code(client.secrets(&hello(), &prod()).await), Code::EnvNotFound);
    let new = NewEnvironment {
        name: prod(),
        engine: "local".to_owned(),
        settings: serde_json::Map::new(),
    };
    client.create_env(&new).await.unwrap();
    for (text, version, unchanged) in [("one", 1, false), ("one", 1, true), ("two", 2, false)] {
        let answer = set(text).await.unwrap();
        assert_eq!((answer.version, answer.unchanged), (SecretVersion(version), unchanged));
    }
    let listed = client.secrets(&hello(), &prod()).await.unwrap().remove(0);
    assert_eq!(
        (listed.name, listed.version, &*listed.by),
        (name("token"), SecretVersion(2), "ada")
    );
    let removed = client.remove_secret(&hello(), &prod(), &name("token")).await.unwrap();
    assert_eq!((removed.version, removed.holders), (SecretVersion(2), Vec::new()));
    let gone = problem(client.remove_secret(&hello(), &prod(), &name("token")).await);
    assert_eq!(
        (gone.code, gone.hint.as_deref()),
        (Code::SecretNotFound, Some("kiln secret list APP ENV"))
    );
    let rows = audit::newest(&mut rig.app.database.read().await.unwrap(), 99).await.unwrap();
    let did: Vec<_> = rows.iter().map(|row| row.what["did"].as_str().unwrap()).take(5).collect();
    let expected = ["erase secret", "erase secret", "remove secret", "set secret", "set secret"];
    assert_eq!(did, expected);
}

/// What the server answers to a `PUT` of those headers and that body, which it may stop reading.
fn put(rig: &Rig, path: &str, headers: &str, body: &[u8]) -> String {
    let mut stream = UnixStream::connect(rig.data.path().join("kiln.sock")).unwrap();
    let length = body.len();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A server that has seen enough closes before it has read all.
    stream.write_all(body).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_value_is_refused_without_showing_it() {
    let rig = Rig::ready().await;
    let octets = "Content-Type: application/octet-stream\r\n";
    let path = "/v1/apps/hello/envs/prod/secrets/token";
    let check = |path: &str, headers: &str, body: &[u8], status: &str| {
        let answer = tokio::task::block_in_place(|| put(&rig, path, headers, body));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(!answer.contains("hunter2"), "{answer}");
    };
    check(path, octets, b"", "422");
    check(path, octets, &vec![b'x'; SecretValue::MAX + 1], "413");
    check(path, "", b"hunter2", "415");
    check(path, "Content-Type: application/json\r\n", b"{\"value\": \"hunter2\"}", "415");
    check("/v1/apps/hello/envs/prod/secrets/..%2Fx", octets, b"hunter2", "422");
    check("/v1/apps/hello/envs/prod/secrets", octets, b"hunter2", "405");
    assert!(rig.client.secrets(&hello(), &prod()).await.unwrap().is_empty());
    check(path, octets, &vec![b'x'; SecretValue::MAX], "200");
}
