//! What a push is judged by, on commits that git itself made.

use crate::Bench;
use kiln_config::{Moved, PushRefused, Quarantine, judge};
use kiln_names::CommitId;

const PARAMS: &str = "deployment-params.json";
const PROPERTIES: &str = "application-properties.json";

impl Bench {
    fn head(&self) -> String {
        self.git(&["rev-parse", "main"])
    }

    /// A commit on the newest with those files in place of its own; the branch stays.
    fn commit(&self, files: &[(&str, Option<&[u8]>)]) -> String {
        let index = self.directory().join("index");
        let index = index.to_str().unwrap();
        self.git_with(&[("GIT_INDEX_FILE", index)], &["read-tree", "main"]);
        for (name, content) in files {
            let Some(content) = content else {
                self.git_with(&[("GIT_INDEX_FILE", index)], &["rm", "--cached", "-q", name]);
                continue;
            };
            let file = self.directory().join("content");
            std::fs::write(&file, content).unwrap();
            let blob = self.git(&["hash-object", "-w", file.to_str().unwrap()]);
            let entry = format!("100644,{blob},{name}");
            let arguments = ["update-index", "--add", "--cacheinfo", &entry];
            self.git_with(&[("GIT_INDEX_FILE", index)], &arguments);
        }
        let tree = self.git_with(&[("GIT_INDEX_FILE", index)], &["write-tree"]);
        self.git(&["commit-tree", &tree, "-p", &self.head(), "-m", "change"])
    }

    async fn judge(&self, new: &str) -> Result<(), PushRefused> {
        let update = format!("{} {new} refs/heads/main\n", self.head());
        let path = self.repositories.path(&self.app, &self.env);
        judge(&path, &Quarantine::default(), &update).await
    }

    async fn refuses(&self, files: &[(&str, Option<&[u8]>)], expected: &[&str]) {
        let words = self.judge(&self.commit(files)).await.unwrap_err().to_string();
        for expected in expected {
            assert!(words.contains(expected), "{expected:?} is not in {words}");
        }
    }
}

#[tokio::test]
async fn a_push_of_valid_files_is_let_through() {
    let bench = Bench::new().await;
    let new = bench.commit(&[(PARAMS, Some(b"{\"min\": 3}")), ("notes.txt", Some(b"\xff"))]);
    bench.judge(&new).await.unwrap();
}

#[tokio::test]
async fn every_file_with_a_mistake_is_named_with_its_line() {
    let bench = Bench::new().await;
    let files: [(&str, Option<&[u8]>); 2] =
        [(PARAMS, Some(b"{\n  \"memmory\": \"1GiB\"\n}")), (PROPERTIES, Some(b"{\"a\": []}"))];
    let expected = ["deployment-params.json: line 2, ", "did you mean `memory`?", PROPERTIES];
    bench.refuses(&files, &expected).await;
}

#[tokio::test]
async fn a_file_that_is_missing_too_long_or_no_text_is_refused() {
    let bench = Bench::new().await;
    bench.refuses(&[(PARAMS, None)], &["deployment-params.json is missing"]).await;
    bench.refuses(&[(PARAMS, Some(b"\xff\xfe"))], &["not text in UTF-8"]).await;
    let long = vec![b' '; kiln_protocol::document::MAX_FILE_BYTES + 1];
    bench.refuses(&[(PARAMS, Some(&long))], &["is longer than"]).await;
    // A directory of that name is no file.
    let inner = format!("{PARAMS}/x");
    let files: [(&str, Option<&[u8]>); 2] = [(PARAMS, None), (&inner, Some(b"{}"))];
    assert!(bench.judge(&bench.commit(&files)).await.is_err());
}

#[tokio::test]
async fn what_is_no_commit_is_refused() {
    let bench = Bench::new().await;
    let tree = bench.git(&["rev-parse", "main^{tree}"]);
    let absent = "1234567890123456789012345678901234567890";
    for new in [tree.as_str(), absent] {
        let refused = bench.judge(new).await.unwrap_err();
        assert!(matches!(refused, PushRefused::NotCommit(_)), "{refused}");
    }
}

#[tokio::test]
async fn the_repositories_are_listed_and_nothing_beside_them() {
    let bench = Bench::new().await;
    let git = kiln_config::SmartHttp::open(bench.repositories.clone(), "/bin/true".into());
    assert!(git.is_ok() && bench.directory().join(".hooks/pre-receive").exists());
    std::fs::write(bench.directory().join("stray-x_.git"), "").unwrap();
    let listed = bench.repositories.list().unwrap();
    assert_eq!(listed, [(bench.app.clone(), bench.env.clone())]);
}

#[tokio::test]
async fn what_a_killed_push_left_is_swept_at_the_next_start() {
    let bench = Bench::new().await;
    let objects = bench.repositories.path(&bench.app, &bench.env).join("objects");
    std::fs::create_dir_all(objects.join("tmp_objdir-incoming-abcdef/pack")).unwrap();
    kiln_config::SmartHttp::open(bench.repositories.clone(), "/bin/true".into()).unwrap();
    assert!(!objects.join("tmp_objdir-incoming-abcdef").exists());
    assert_eq!(bench.git(&["fsck", "--strict", "--no-dangling"]), "");
}

mod over_http {
    //! The process itself, without a network.

    use super::*;
    use bytes::Bytes;
    use kiln_config::{Ask, AskError, Encoding, Pack, Question, SmartHttp};
    use tokio::sync::mpsc;

    fn question(bench: &Bench, ask: Ask) -> Question {
        let (app, env) = (bench.app.clone(), bench.env.clone());
        Question { app, env, ask, who: "ada".to_owned(), encoding: Encoding::Plain, protocol: None }
    }

    fn git(bench: &Bench) -> SmartHttp {
        SmartHttp::open(bench.repositories.clone(), "/bin/true".into()).unwrap()
    }

    async fn nothing_moves(moved: Moved) {
        panic!("{moved:?}");
    }

    #[tokio::test]
    async fn the_newest_commit_is_told() {
        let bench = Bench::new().await;
        let (_, body) = mpsc::channel(1);
        let question = question(&bench, Ask::References(Pack::Upload));
        let mut answer = git(&bench).ask(question, body, nothing_moves).await.unwrap();
        assert_eq!(answer.status, 200);
        let mut text = Vec::new();
        while let Some(piece) = answer.body.next().await {
            text.extend_from_slice(&piece.unwrap());
        }
        let head = CommitId::parse(&bench.head()).unwrap().to_string();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.starts_with("001e# service=git-upload-pack\n"), "{text}");
        assert!(text.contains(&format!("{head} refs/heads/main")), "{text}");
    }

    #[tokio::test]
    async fn a_question_that_is_too_long_or_breaks_off_is_given_up() {
        let bench = Bench::new().await;
        let git = git(&bench);
        let (sender, body) = mpsc::channel(32);
        for _ in 0..17 {
            sender.send(Ok(Bytes::from(vec![b'0'; 1 << 20]))).await.unwrap();
        }
        let push = || question(&bench, Ask::Exchange(Pack::Receive));
        let refused = git.ask(push(), body, nothing_moves).await.unwrap_err();
        assert!(matches!(refused, AskError::TooLong(_)), "{refused}");
        let (sender, body) = mpsc::channel(1);
        sender.send(Err(std::io::ErrorKind::ConnectionReset.into())).await.unwrap();
        let refused = git.ask(push(), body, nothing_moves).await.unwrap_err();
        assert!(matches!(refused, AskError::Body(_)), "{refused}");
        assert_eq!(bench.entries(), [".hooks", "hello-prod.git"], "nothing is left of them");
    }
}
