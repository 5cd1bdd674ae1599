//! Kiln as a registry, and images as archives, as they stand on the wire.

use crate::rig::{Rig, all, code};
use kiln_client::ClientError;
use kiln_names::Digest;
use kiln_protocol::Code;
use kiln_protocol::image::{ArchiveChoice, ExportFormat, ImportEvent, Imported, NewImage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// The head of an answer, in lower case, and its body.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        Self { status: head[9..12].parse().unwrap(), head, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn denied(&self) -> Value {
        self.json()["errors"][0]["code"].clone()
    }
}

fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

async fn ask(rig: &Rig, line: &str, headers: &str) -> Answer {
    let mut stream = UnixStream::connect(rig.data.path().join("kiln.sock")).await.unwrap();
    stream.write_all(request(line, headers).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::read(&answer)
}

#[tokio::test]
async fn manifests_and_blobs_are_pulled_by_tag_and_digest() {
    let rig = Rig::ready().await;
    let baked = rig.bake("content").await;
    let (version, digest) = (baked.version.unwrap(), baked.image);
    let by_tag = ask(&rig, &format!("GET /v2/hello/manifests/{version}"), "").await;
    assert_eq!(by_tag.status, 200);
    assert_eq!(by_tag.header("docker-content-digest"), Some(&*digest.to_string()));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    assert_eq!(by_tag.header("content-type"), Some(kind));
    assert_eq!(by_tag.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!(Digest::of(&by_tag.body), digest);
    let by_digest = ask(&rig, &format!("GET /v2/hello/manifests/{digest}"), "").await;
    assert_eq!(by_digest.body, by_tag.body);
    let head = ask(&rig, &format!("HEAD /v2/hello/manifests/{version}"), "").await;
    let length = by_tag.body.len().to_string();
    assert_eq!((head.body.len(), head.header("content-length")), (0, Some(&*length)));

    let layer = by_tag.json()["layers"][0].clone();
    let blob = format!("/v2/hello/blobs/{}", layer["digest"].as_str().unwrap());
    let whole = ask(&rig, &format!("GET {blob}"), "").await;
    assert_eq!(Digest::of(&whole.body).to_string(), layer["digest"]);
    let part = ask(&rig, &format!("GET {blob}"), "range: bytes=100-199\r\n").await;
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100..200]));
    let expected = format!("bytes 100-199/{}", whole.body.len());
    assert_eq!(part.header("content-range"), Some(&*expected));
    let beyond = ask(&rig, &format!("GET {blob}"), "range: bytes=99999999-\r\n").await;
    assert_eq!((beyond.status, beyond.denied()), (416, json!("RANGE_INVALID")));
    let head = ask(&rig, &format!("HEAD {blob}"), "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let base = ask(&rig, "GET /v2/base/small/manifests/latest", "").await;
    assert_eq!(base.status, 200);
    let digest = base.header("docker-content-digest").unwrap().to_owned();
    assert_eq!(ask(&rig, &format!("GET /v2/base/small/manifests/{digest}"), "").await.status, 200);
}

#[tokio::test]
async fn repositories_and_tags_are_listed_a_page_at_a_time() {
    let rig = Rig::ready().await;
    rig.bake("one").await;
    let catalog = ask(&rig, "GET /v2/_catalog", "").await;
    assert_eq!(catalog.json(), json!({"repositories": ["base/small", "hello"]}));
    let first = ask(&rig, "GET /v2/_catalog?n=1", "").await;
    assert_eq!(first.json()["repositories"], json!(["base/small"]));
    let link = first.header("link").unwrap();
    assert_eq!(link, "</v2/_catalog?n=1&last=base%2fsmall>; rel=\"next\"");
    let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let second = ask(&rig, &format!("GET {next}"), "").await;
    assert_eq!(
        (second.json()["repositories"].clone(), second.header("link")),
        (json!(["hello"]), None)
    );
    let tags = ask(&rig, "GET /v2/hello/tags/list", "").await.json();
    assert_eq!((&tags["name"], tags["tags"].as_array().unwrap().len()), (&json!("hello"), 1));
    let tags = ask(&rig, "GET /v2/base/small/tags/list", "").await.json();
    assert_eq!(tags, json!({"name": "base/small", "tags": ["latest"]}));
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_denied_with_a_code() {
    let rig = Rig::ready().await;
    rig.bake("content").await;
    let other = Digest::of(b"other");
    for (line, status, expected) in [
        ("GET /v2/none/tags/list", 404, "NAME_UNKNOWN"),
        ("GET /v2/None/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/hello/manifests/none", 404, "MANIFEST_UNKNOWN"),
        (&*format!("GET /v2/hello/manifests/{other}"), 404, "MANIFEST_UNKNOWN"),
        ("GET /v2/hello/manifests/sha256:x", 400, "DIGEST_INVALID"),
        (&*format!("GET /v2/hello/blobs/{other}"), 404, "BLOB_UNKNOWN"),
        ("GET /v2/hello/blobs/x", 400, "DIGEST_INVALID"),
        ("GET /v2/_catalog?n=x", 400, "PAGINATION_NUMBER_INVALID"),
        ("GET /v2/a/b/c/manifests/x", 404, "NAME_UNKNOWN"),
        ("POST /v2/hello/blobs/uploads/", 405, "UNSUPPORTED"),
        ("PUT /v2/hello/manifests/1", 405, "UNSUPPORTED"),
    ] {
        let answer = ask(&rig, line, "content-length: 0\r\n").await;
        assert_eq!((answer.status, answer.denied()), (status, json!(expected)), "{line}");
    }
    // The file of a bake is stored, and no part of any image.
    let file = Digest::of(b"content");
    let answer = ask(&rig, &format!("GET /v2/hello/blobs/{file}"), "").await;
    assert_eq!(answer.denied(), json!("BLOB_UNKNOWN"));
}

#[tokio::test]
async fn over_tcp_the_token_is_a_bearer_or_a_password_and_invited_as_one() {
    let rig = Rig::start().await;
    let address = rig.over_tcp("secret").await;
    let ask = async |headers: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request("GET /v2/", headers).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::read(&answer)
    };
    let none = ask("").await;
    assert_eq!((none.status, none.denied()), (401, json!("UNAUTHORIZED")));
    assert_eq!(none.header("www-authenticate"), Some("basic realm=\"kiln\""));
    // me:secret, and me:wrong.
    for (headers, status) in [
        ("authorization: Basic bWU6c2VjcmV0\r\n", 200),
        ("authorization: Bearer secret\r\n", 200),
        ("authorization: Basic bWU6d3Jvbmc=\r\n", 401),
        ("authorization: Bearer wrong\r\n", 401),
    ] {
        assert_eq!(ask(headers).await.status, status, "{headers}");
    }
}

async fn exported(rig: &Rig, image: Digest) -> Vec<u8> {
    let image = image.to_string().parse().unwrap();
    let mut download = rig.client.export_image(&image, ExportFormat::Both).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(download.size(), Some(bytes.len() as u64));
    bytes
}

async fn import(rig: &Rig, new: &NewImage) -> Result<Imported, ClientError> {
    let events = rig.client.import_image(new).await?;
    match all(events).await?.pop() {
        Some(ImportEvent::Imported(imported)) => Ok(imported),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exported_image_is_imported_elsewhere_under_its_digest() {
    let (here, there) = (Rig::ready().await, Rig::start().await);
    let image = here.bake("content").await.image;
    let archive = exported(&here, image).await;
    let digest = Digest::of(&archive);
    let new = NewImage {
        archive: digest,
        choice: ArchiveChoice::default(),
        app: Some("hello".parse().unwrap()),
        version: Some("7".parse().unwrap()),
    };
    let missing = import(&there, &new).await;
    assert_eq!(code(missing), Code::ContextMissing);
    there.send(&digest, archive.clone()).await.unwrap();
    let imported = import(&there, &new).await.unwrap();
    assert_eq!((imported.image, imported.cached), (image, false));
    // The archive has served, and is gone.
    assert_eq!(code(import(&there, &new).await), Code::ContextMissing);
    let ask = async |change: &dyn Fn(&mut NewImage)| {
        there.send(&digest, archive.clone()).await.unwrap();
        let mut new = new.clone();
        change(&mut new);
        import(&there, &new).await
    };
    assert!(ask(&|_| {}).await.unwrap().cached);
    assert_eq!(code(ask(&|new| new.version = None).await), Code::BadRequest);
    assert_eq!(code(ask(&|new| new.app = Some("other".parse().unwrap())).await), Code::Invalid);
    let arm = Some("linux/arm64".parse().unwrap());
    assert_eq!(code(ask(&|new| new.choice.platform = arm.clone()).await), Code::NotFound);
    assert_eq!(exported(&there, image).await.len(), archive.len());
}
