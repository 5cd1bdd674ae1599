//! An engine behind TLS, with certificates that are right and wrong.

use crate::machine::Machine;
use kiln_engine_docker::EngineSettings;
use kiln_keeper::Runtime as _;
use kiln_protocol::catalog::{Finding, Verdict};
use kiln_tests::{Docker, Ran};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// An authority, and what it signed: files `NAME.pem` and `NAME.key` in a directory.
struct Authority(tempfile::TempDir);

/// What a certificate is good for.
const SERVER: &str = "extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1";
const CLIENT: &str = "extendedKeyUsage=clientAuth";

fn openssl(directory: &Path, words: &str) {
    let mut command = Command::new("openssl");
    command.args(words.split(' ')).current_dir(directory);
    let ran = Ran::of(command);
    assert_eq!(ran.code, Some(0), "{ran}");
}

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let words =
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca";
        openssl(directory.path(), words);
        Self(directory)
    }

    /// Signs a certificate that is good for so many days from now; for -1, one that was.
    fn sign(&self, name: &str, usage: &str, days: i32) {
        let directory = self.0.path();
        std::fs::write(directory.join("usage"), usage).unwrap();
        let request = "req -newkey rsa:2048 -nodes -subj /CN=kiln";
        openssl(directory, &format!("{request} -keyout {name}.key -out {name}.csr"));
        let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -extfile usage";
        openssl(directory, &format!("{sign} -in {name}.csr -out {name}.pem -days {days}"));
    }

    fn path(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }
}

/// A daemon that shows a certificate, and wants one of the authority's.
fn engine(authority: &Authority, shows: &str, port: u16) -> Docker {
    Docker::listening([
        format!("--host=tcp://127.0.0.1:{port}"),
        "--tlsverify".to_owned(),
        format!("--tlscacert={}", authority.path("ca.pem")),
        format!("--tlscert={}", authority.path(&format!("{shows}.pem"))),
        format!("--tlskey={}", authority.path(&format!("{shows}.key"))),
    ])
}

fn settings(port: u16, authority: &Authority, client: &str) -> Value {
    json!({
        "host": format!("tcp://127.0.0.1:{port}"),
        "tlsCa": authority.path("ca.pem"),
        "tlsCert": authority.path(&format!("{client}.pem")),
        "tlsKey": authority.path(&format!("{client}.key")),
    })
}

async fn first(settings: &Value) -> Finding {
    let settings = EngineSettings::parse(settings.as_object().unwrap()).unwrap();
    kiln_engine_docker::check(&settings).await.into_iter().next().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_tls_is_used_and_each_wrong_certificate_is_named() {
    let authority = Authority::new();
    authority.sign("server", SERVER, 2);
    authority.sign("client", CLIENT, 2);
    authority.sign("expired", CLIENT, -1);
    let port = free_port();
    let docker = engine(&authority, "server", port);
    let right = settings(port, &authority, "client");
    assert_eq!(first(&right).await.verdict, Verdict::Good);
    let machine = Machine::new(&docker, right).await;
    let runtime = machine.runtime().await;
    runtime.ensure_image(&machine.group().image).await.unwrap();
    let check = async |settings: Value, told: &str| {
        let finding = first(&settings).await;
        assert_eq!(finding.verdict, Verdict::Bad, "{finding:?}");
        assert!(finding.found.contains(told), "{finding:?}");
        assert!(finding.mend.as_deref().is_some_and(|mend| mend.contains("tls")), "{finding:?}");
    };
    let of = |name: &str, path: String| {
        let mut settings = settings(port, &authority, "client");
        settings[name] = path.into();
        settings
    };
    check(settings(port, &authority, "expired"), "refuses tlsCert").await;
    let other = Authority::new();
    other.sign("client", CLIENT, 2);
    check(of("tlsCa", other.path("ca.pem")), "not signed by tlsCa").await;
    let mut foreign = settings(port, &other, "client");
    foreign["tlsCa"] = authority.path("ca.pem").into();
    check(foreign, "refuses tlsCert").await;
    check(of("tlsKey", authority.path("nothing")), "nothing cannot be read").await;
    check(of("tlsCert", authority.path("client.key")), "holds no certificate").await;
    let mut elsewhere = settings(port, &authority, "client");
    elsewhere["host"] = format!("tcp://localhost:{port}").into();
    check(elsewhere, "not for this name").await;
    // Not spoken at all.
    let mut plain = json!({});
    plain["host"] = format!("tcp://127.0.0.1:{port}").into();
    check(plain, "HTTPS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_certificate_has_expired_is_not_trusted() {
    let authority = Authority::new();
    authority.sign("server", SERVER, -1);
    authority.sign("client", CLIENT, 2);
    let port = free_port();
    let _docker = engine(&authority, "server", port);
    let finding = first(&settings(port, &authority, "client")).await;
    assert_eq!(finding.verdict, Verdict::Bad, "{finding:?}");
    assert!(finding.found.contains("its certificate has expired"), "{finding:?}");
}
