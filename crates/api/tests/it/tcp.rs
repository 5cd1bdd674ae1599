//! Over TCP the token opens, and nothing else.

use crate::rig::{Rig, code};
use kiln_client::{Client, Endpoint};
use kiln_protocol::Code;
use std::os::unix::fs::PermissionsExt as _;
use tokio::net::TcpListener;

#[tokio::test]
async fn only_the_token_opens_the_api_over_tcp() {
    let rig = Rig::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = rig.app.clone();
    tokio::spawn(async move {
        kiln_api::serve_tcp(listener, app, "secret", std::future::pending()).await;
    });
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
