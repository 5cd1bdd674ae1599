//! Over TCP the token opens, and nothing else.

use crate::rig::{Rig, code};
use kiln_client::{Client, Endpoint};
use kiln_names::{InstallId, RouterName};
use kiln_protocol::Code;
use kiln_protocol::router::{RouterReport, TableNumber};
use kiln_router::{Status, Table};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn only_the_token_opens_the_api_over_tcp() {
    let rig = Rig::start().await;
    let address = rig.over_tcp("secret").await;
    let client = |token: Option<&str>| {
        let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
        Client::new(endpoint, token, None).unwrap()
    };
    assert!(client(Some("secret")).apps().await.unwrap().is_empty());
    for token in [None, Some(""), Some("secre"), Some("secrets")] {
        assert_eq!(code(client(token).apps().await), Code::Unauthorized, "{token:?}");
        assert_eq!(code(client(token).health().await), Code::Unauthorized, "{token:?}");
    }
}

#[tokio::test]
async fn the_token_to_pull_opens_the_registry_and_nothing_else() {
    let rig = Rig::start().await;
    let address = rig.over_tcp("secret").await;
    let status = async |line: &str, token: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("{line} HTTP/1.1\r\nhost: kiln\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..]).into_owned()
    };
    let pull = kiln_api::pull_token("secret");
    assert_eq!(status("GET /v2/", "secret").await, "200");
    assert_eq!(status("GET /v2/", &pull).await, "200");
    for (line, token) in [
        ("GET /v1/apps", &*pull),
        ("POST /v2/", &pull),
        ("GET /git/hello-prod.git/info/refs", &pull),
        ("GET /v2/", &kiln_api::pull_token("other")),
    ] {
        assert_eq!(status(line, token).await, "401", "{line}");
    }
}

#[tokio::test]
async fn the_token_of_routers_lets_one_join_and_does_nothing_else() {
    let rig = Rig::start().await;
    let address = rig.over_tcp("secret").await;
    let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
    let token = kiln_api::router_token("secret");
    let router = Client::new(endpoint, Some(&token), Some("router edge-1")).unwrap();
    let edge = RouterName::parse("edge-1").unwrap();
    router.report_router(&edge, &report(1)).await.unwrap();
    assert_eq!(code(router.routers().await), Code::Unauthorized);
    assert_eq!(code(router.remove_router(&edge).await), Code::Unauthorized);
    assert_eq!(code(router.apps().await), Code::Unauthorized);
    let none = TableNumber { epoch: 9, version: 0 };
    let table = router.router_table::<Table>(&edge, none, Duration::from_millis(10)).await;
    assert_eq!(table.unwrap(), None, "it has a later one than there is");
    let known = rig.client.routers().await.unwrap();
    assert_eq!((known.len(), known[1].name.as_ref()), (2, Some(&edge)));
    assert_eq!(known[1].table, Some(TableNumber { epoch: 1, version: 7 }));
    // Its name is its own while it is there.
    assert_eq!(code(router.report_router(&edge, &report(2)).await), Code::InUse);
    rig.client.remove_router(&edge).await.unwrap();
    assert_eq!(code(rig.client.remove_router(&edge).await), Code::NotFound);
    router.report_router(&edge, &report(2)).await.unwrap();
}

/// What the router of such a data directory says.
fn report(install: u8) -> RouterReport<Status> {
    let listen = "10.0.0.1:80".parse().unwrap();
    let (groups, instances) = (Vec::new(), Vec::new());
    let status = Status { seq: 1, epoch: 1, version: 7, listen, pid: 1, groups, instances };
    RouterReport { install: InstallId::from_random([install; 3]), status }
}

#[tokio::test]
async fn the_socket_is_for_root_alone_and_replaces_what_was_left() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("d".repeat(120)).join("kiln.sock");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    for _ in 0..2 {
        let _listener = kiln_api::bind_unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_that_stops_takes_no_more_and_ends_soon() {
    let rig = Rig::start().await;
    let path = rig.data.path().join("other.sock");
    let listener = kiln_api::bind_unix(&path).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(kiln_api::serve_unix(listener, rig.app.clone(), async {
        stopped.await.ok();
    }));
    let client = Client::new(Endpoint::Unix(path), None, None).unwrap();
    client.apps().await.unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(10), server).await.unwrap().unwrap();
    assert!(client.apps().await.unwrap_err().is_lost());
}
