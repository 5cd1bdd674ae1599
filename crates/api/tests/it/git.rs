//! Configuration over git's own protocol, with the real git. What judges a push is the program's
//! own; here every push is fine.

use crate::rig::{Rig, hello, prod};
use kiln_api::App;
use kiln_client::{Client, Endpoint};
use kiln_config::SmartHttp;
use kiln_names::CommitId;
use kiln_protocol::revision::NewFile;
use kiln_store::audit;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const PARAMS: &str = "deployment-params.json";
const TOKEN: &str = "secret";

/// A server over TCP, and people with git.
struct Remote {
    rig: Rig,
    address: SocketAddr,
    homes: tempfile::TempDir,
}

impl Remote {
    async fn start() -> Self {
        Self::judged_by("/bin/true").await
    }

    async fn judged_by(program: &str) -> Self {
        let rig = Rig::ready().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut app = App::clone(&rig.app);
        app.git = SmartHttp::open(app.configurations.clone(), program.into()).unwrap();
        let app = Arc::new(app);
        tokio::spawn(async move {
            kiln_api::serve_tcp(listener, app, TOKEN, std::future::pending()).await;
        });
        Self { rig, address, homes: tempfile::tempdir().unwrap() }
    }

    fn url(&self, credentials: &str, repository: &str) -> String {
        format!("http://{credentials}{}/git/{repository}", self.address)
    }

    /// Clones it for `person`, with more options.
    async fn clone(&self, person: &str, options: &[&str]) -> PathBuf {
        let url = self.url(&format!("{person}:{TOKEN}@"), "hello-prod.git");
        let into = self.homes.path().join(person);
        let mut arguments = vec!["clone", "--quiet"];
        arguments.extend_from_slice(options);
        arguments.extend([url.as_str(), into.to_str().unwrap()]);
        done(git(self.homes.path(), &arguments).await);
        into
    }

    async fn head(&self) -> CommitId {
        self.rig.client.config(&hello(), &prod(), None).await.unwrap().commit
    }

    /// How many things lie beside each other in the directory of repositories.
    fn entries(&self) -> usize {
        std::fs::read_dir(self.rig.data.path().join("config")).unwrap().count()
    }

    async fn put(&self, content: &str, expect: Option<CommitId>) -> bool {
        let new = NewFile { content: content.to_owned(), message: "put".to_owned(), expect };
        self.rig.client.put_config(&hello(), &prod(), PARAMS, &new).await.is_ok()
    }

    /// The status and the text of the answer to a request as it stands.
    async fn raw(&self, line: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
             {headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer[9..12].parse().unwrap(), answer)
    }
}

/// Waits until it is so.
async fn until(so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

/// Runs git in a directory as a person without any settings would.
async fn git(directory: &Path, arguments: &[&str]) -> Output {
    let settings =
        ["user.name=Ada", "user.email=ada@example.org", "pull.rebase=true", "commit.gpgSign=false"];
    let mut command = Command::new("git");
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
        .args(arguments)
        .current_dir(directory)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")])
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .await
        .unwrap()
}

#[track_caller]
fn done(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn refused(output: &Output, expected: &str) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.contains(expected), "{expected:?}: {words}");
}

/// Commits a file in a clone.
async fn commit(clone: &Path, file: &str, content: &str) -> CommitId {
    std::fs::write(clone.join(file), content).unwrap();
    done(git(clone, &["add", file]).await);
    done(git(clone, &["commit", "--quiet", "-m", "change"]).await);
    CommitId::parse(&done(git(clone, &["rev-parse", "HEAD"]).await)).unwrap()
}

#[tokio::test]
async fn a_push_is_the_newest_commit_and_is_recorded() {
    let remote = Remote::start().await;
    let clone = remote.clone("ada", &[]).await;
    let from = remote.head().await;
    let to = commit(&clone, PARAMS, "{\"min\": 3}\n").await;
    done(git(&clone, &["push", "--quiet"]).await);
    assert_eq!(remote.head().await, to);
    let mut db = remote.rig.app.database.read().await.unwrap();
    let row = audit::newest(&mut db, 1).await.unwrap().remove(0);
    assert_eq!(row.by.who, "ada");
    let what = serde_json::json!({"did": "push configuration", "app": "hello", "env": "prod",
        "from": from, "to": to});
    assert_eq!(row.what, what);
    assert_eq!(remote.entries(), 2, "the repository, the hooks, and nothing unfinished");
}

#[tokio::test]
async fn a_push_ends_as_it_would_when_its_sender_is_gone() {
    let remote = Remote::start().await;
    let clone = remote.clone("ada", &[]).await;
    let from = remote.head().await;
    let to = commit(&clone, PARAMS, "{\"min\": 3}\n").await;
    let line = format!("{from} {to} refs/heads/main\0report-status");
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend(piped("git", &["pack-objects", "-q", "--revs", "--stdout"], &clone, b"HEAD").await);
    let mut stream = TcpStream::connect(remote.address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST /git/hello-prod.git/git-receive-pack HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\
         content-type: application/x-git-receive-pack-request\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (last, body) = body.split_last().unwrap();
    stream.write_all(body).await.unwrap();
    // Git is at work when there are the repository, the hooks and a directory for this push.
    until(async || remote.entries() == 3).await;
    stream.write_all(&[*last]).await.unwrap();
    drop(stream);
    until(async || {
        let mut db = remote.rig.app.database.read().await.unwrap();
        audit::newest(&mut db, 1).await.unwrap()[0].what["to"] == to.to_string()
    })
    .await;
    assert_eq!(remote.head().await, to);
}

#[tokio::test]
async fn a_shallow_clone_is_enough_to_push() {
    let remote = Remote::start().await;
    for min in 1..4 {
        assert!(remote.put(&format!("{{\"min\": {min}}}"), None).await);
    }
    let clone = remote.clone("ada", &["--depth=1", "--no-tags"]).await;
    assert_eq!(done(git(&clone, &["rev-list", "--count", "HEAD"]).await), "1");
    let new = commit(&clone, PARAMS, "{\"min\": 9}\n").await;
    done(git(&clone, &["push", "--quiet"]).await);
    assert_eq!(remote.head().await, new);
    assert_eq!(remote.rig.client.config_log(&hello(), &prod(), 9).await.unwrap().len(), 5);
}

#[tokio::test]
async fn history_is_only_added_to() {
    let remote = Remote::start().await;
    let clone = remote.clone("ada", &[]).await;
    commit(&clone, PARAMS, "{\"min\": 3}\n").await;
    done(git(&clone, &["push", "--quiet"]).await);
    let head = remote.head().await;
    done(git(&clone, &["commit", "--quiet", "--amend", "-m", "another"]).await);
    refused(&git(&clone, &["push"]).await, "non-fast-forward");
    refused(&git(&clone, &["push", "--force"]).await, "non-fast-forward");
    refused(&git(&clone, &["push", "origin", ":main"]).await, "deletion prohibited");
    assert_eq!(remote.head().await, head);
}

#[tokio::test]
async fn without_a_judge_there_is_no_push() {
    let refuses = async |remote: &Remote| {
        let clone = remote.clone("ada", &[]).await;
        let head = remote.head().await;
        commit(&clone, PARAMS, "{\"min\": 3}\n").await;
        let output = git(&clone, &["push"]).await;
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(remote.head().await, head);
    };
    for program in ["/bin/false", "/nowhere/kiln"] {
        refuses(&Remote::judged_by(program).await).await;
    }
    let remote = Remote::start().await;
    let hook = remote.rig.data.path().join("config/.hooks/pre-receive");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o400)).unwrap();
    refuses(&remote).await;
    std::fs::remove_file(&hook).unwrap();
    assert!(!git(&remote.homes.path().join("ada"), &["push"]).await.status.success());
}

#[tokio::test]
async fn a_push_on_top_of_what_has_moved_is_refused_until_it_is_rebased() {
    let remote = Remote::start().await;
    let clone = remote.clone("ada", &[]).await;
    commit(&clone, "notes.txt", "mine\n").await;
    assert!(remote.put("{\"min\": 3}", None).await);
    refused(&git(&clone, &["push"]).await, "fetch first");
    done(git(&clone, &["pull", "--quiet"]).await);
    done(git(&clone, &["push", "--quiet"]).await);
    let newest = remote.rig.client.config(&hello(), &prod(), None).await.unwrap();
    assert_eq!(newest.files[PARAMS], "{\"min\": 3}", "what was put is not overwritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_pushes_and_puts_at_once_none_that_was_acknowledged_is_lost() {
    const PEOPLE: usize = 4;
    let remote = Remote::start().await;
    let head = remote.head().await;
    let mut clones = Vec::new();
    for person in 0..PEOPLE {
        let clone = remote.clone(&format!("p{person}"), &[]).await;
        commit(&clone, &format!("notes-{person}"), "x").await;
        clones.push(clone);
    }
    let pushes = clones.iter().map(async |clone| git(clone, &["push"]).await.status.success());
    let puts = (1..=PEOPLE).map(|min| {
        let text = format!("{{\"min\": {min}}}");
        let remote = &remote;
        async move { remote.put(&text, Some(head)).await }
    });
    let (pushes, puts) =
        tokio::join!(futures_util::future::join_all(pushes), futures_util::future::join_all(puts));
    let won = pushes.iter().chain(&puts).filter(|won| **won).count();
    assert_eq!(won, 1, "all were made for one commit: {pushes:?} {puts:?}");
    assert_eq!(remote.rig.client.config_log(&hello(), &prod(), 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn only_the_token_opens_whatever_the_user_is_called() {
    let remote = Remote::start().await;
    for credentials in ["", "ada:wrong@", "ada:@", "secret:x@"] {
        let url = remote.url(credentials, "hello-prod.git");
        let output = git(remote.homes.path(), &["ls-remote", &url]).await;
        assert!(!output.status.success(), "{credentials}");
    }
    for credentials in ["ada:secret@", "x:secret@"] {
        let url = remote.url(credentials, "hello-prod.git");
        done(git(remote.homes.path(), &["ls-remote", &url]).await);
    }
    let url = remote.url("", "hello-prod.git");
    let bearer = format!("http.extraHeader=Authorization: Bearer {TOKEN}");
    done(git(remote.homes.path(), &["-c", &bearer, "ls-remote", &url]).await);

    let asked = "GET /git/hello-prod.git/info/refs?service=git-upload-pack";
    let (status, answer) = remote.raw(asked, "", b"").await;
    assert_eq!(status, 401);
    assert!(answer.contains("www-authenticate: Basic realm=\"Kiln\""), "{answer}");
    // A password opens git's paths alone.
    let basic = "authorization: Basic YWRhOnNlY3JldA==\r\n";
    let (status, answer) = remote.raw("GET /v1/apps", basic, b"").await;
    assert_eq!(status, 401);
    assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
}

#[tokio::test]
async fn no_path_leads_anywhere_else() {
    let remote = Remote::start().await;
    std::fs::create_dir(remote.rig.data.path().join("config/stray.git")).unwrap();
    let upload = "service=git-upload-pack";
    let paths = [
        "/git/../kiln.db".to_owned(),
        "/git/hello-prod.git/HEAD".to_owned(),
        "/git/hello-prod.git/config".to_owned(),
        "/git/hello-prod.git/objects/info/packs".to_owned(),
        "/git/hello-prod.git/info/refs".to_owned(),
        "/git/hello-prod.git/info/refs?service=git-upload-archive".to_owned(),
        format!("/git/%2e%2e/info/refs?{upload}"),
        format!("/git/..%2fconfig%2fhello-prod.git/info/refs?{upload}"),
        format!("/git/hello-prod.git%2f..%2fhello-prod.git/info/refs?{upload}"),
        format!("/git/hello-prod.git/../hello-prod.git/info/refs?{upload}"),
        format!("/git//hello-prod.git/info/refs?{upload}"),
        format!("/git/hello-prod.git%00/info/refs?{upload}"),
        format!("/git/hello-prod.git%0a/info/refs?{upload}"),
        format!("/git/%ff-prod.git/info/refs?{upload}"),
        format!("/git/.hooks/info/refs?{upload}"),
        format!("/git/stray.git/info/refs?{upload}"),
        format!("/git/hello-prod/info/refs?{upload}"),
        format!("/git/other-prod.git/info/refs?{upload}"),
        format!("/git/hello-staging.git/info/refs?{upload}"),
    ];
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    for path in paths {
        let (status, answer) = remote.raw(&format!("GET {path}"), &bearer, b"").await;
        assert!((400..500).contains(&status), "{path}: {answer}");
    }
    let missing = remote.url("ada:secret@", "other-prod.git");
    let output = git(remote.homes.path(), &["ls-remote", &missing]).await;
    refused(&output, "remote: error: there is no application other");
    assert!(!remote.rig.data.path().join("config/other-prod.git").exists());
}

#[tokio::test]
async fn a_question_may_be_compressed_and_nothing_else_is_taken_for_one() {
    let remote = Remote::start().await;
    let head = remote.head().await;
    let question = format!("0032want {head}\n00000009done\n");
    let line = "POST /git/hello-prod.git/git-upload-pack";
    let kind = "content-type: application/x-git-upload-pack-request\r\n";
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    let headers = format!("{bearer}{kind}content-encoding: gzip\r\n");
    let (status, answer) = remote.raw(line, &headers, &gzip(question.as_bytes()).await).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("0008NAK\n") && answer.contains("PACK"), "{answer}");
    let check = async |headers: String| remote.raw(line, &headers, question.as_bytes()).await.0;
    assert_eq!(check(format!("{bearer}{kind}")).await, 200);
    assert_eq!(check(format!("{bearer}{kind}content-encoding: br\r\n")).await, 415);
    assert_eq!(check(format!("{bearer}content-type: text/plain\r\n")).await, 415);
}

async fn gzip(content: &[u8]) -> Vec<u8> {
    piped("gzip", &[], "/".as_ref(), content).await
}

/// What a program makes of its input.
async fn piped(program: &str, arguments: &[&str], directory: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap().stdout
}

#[tokio::test]
async fn a_push_that_is_too_large_is_refused_and_leaves_nothing() {
    let remote = Remote::start().await;
    let clone = remote.clone("ada", &[]).await;
    let head = remote.head().await;
    // Twenty million bytes that no compression makes smaller.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let large: Vec<u8> = (0..20_000_000).map(|_| noise()).collect();
    std::fs::write(clone.join("large"), large).unwrap();
    done(git(&clone, &["add", "large"]).await);
    done(git(&clone, &["commit", "--quiet", "-m", "large"]).await);
    assert!(!git(&clone, &["push"]).await.status.success());
    assert_eq!(remote.head().await, head);
    let objects = remote.rig.data.path().join("config/hello-prod.git/objects");
    let names = std::fs::read_dir(objects).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("incoming")));
}

#[tokio::test]
async fn one_file_any_commit_the_difference_and_the_list_are_to_be_had() {
    let remote = Remote::start().await;
    let first = remote.head().await;
    assert!(remote.put("{\"min\": 3}", None).await);
    let second = remote.head().await;
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    let file = format!("GET /v1/apps/hello/envs/prod/config/files/{PARAMS}");
    for (at, commit, text) in [
        ("", second, "{\"min\": 3}"),
        ("?at=HEAD", second, "{\"min\": 3}"),
        ("?at=HEAD~1", first, "{}\n"),
        (&format!("?at={first}"), first, "{}\n"),
    ] {
        let (status, answer) = remote.raw(&format!("{file}{at}"), &bearer, b"").await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(&format!("etag: \"{commit}\"")), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{text}")), "{answer}");
    }
    assert_eq!(remote.raw(&format!("{file}?at=HEAD~2"), &bearer, b"").await.0, 404);
    assert_eq!(remote.raw(&format!("{file}?at=main"), &bearer, b"").await.0, 422);

    let endpoint = Endpoint::parse(&format!("http://{}", remote.address)).unwrap();
    let client = Client::new(endpoint, Some(TOKEN), None).unwrap();
    let diff = client.config_diff(&hello(), &prod(), None, None).await.unwrap();
    assert_eq!((diff.from, diff.to, diff.changes.len()), (first, second, 1));
    assert_eq!((diff.changes[0].key.as_str(), diff.changes[0].old.as_ref()), ("min", None));
    let back = client.config_diff(&hello(), &prod(), Some("HEAD"), Some("HEAD~1")).await.unwrap();
    assert_eq!((back.from, back.to, back.changes[0].new.as_ref()), (second, first, None));
    let listed = client.configured().await.unwrap();
    assert_eq!((listed.len(), listed[0].newest.commit), (1, second));
    assert_eq!((&listed[0].app, &listed[0].env), (&hello(), &prod()));
}
