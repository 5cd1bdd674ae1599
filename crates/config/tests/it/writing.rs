//! Making repositories and replacing files.

use crate::{Bench, PARAMS};
use kiln_config::{CheckError, Put, PutError, PutOutcome, ReadError, Repositories, Revision};
use kiln_names::{CommitId, EnvName};
use kiln_protocol::configuration::ConfigurationFile;

const PUT: Put<'_> = Put { message: "why", author: "zoe", when: 1_700_000_000, expect: None };

#[tokio::test]
async fn the_first_commit_is_the_same_everywhere_and_valid() {
    let (one, other) = (Bench::new().await, Bench::new().await);
    let (commit, _) = one.repositories.check(&one.app, &one.env, &Revision::HEAD).await.unwrap();
    assert_eq!(commit.to_string(), "28ec9915a1e081cfcf61ecfcb35165b89af0e94f");
    assert_eq!(other.git(&["rev-parse", "main"]), commit.to_string());
    assert_eq!(one.git(&["fsck", "--strict"]), "");
    assert_eq!(one.entries(), ["hello-prod.git"]);
}

#[tokio::test]
async fn ensuring_again_changes_nothing() {
    let bench = Bench::new().await;
    let commit = bench.put_min(3).await;
    bench.repositories.ensure(&bench.app, &bench.env).await.unwrap();
    assert_eq!(bench.git(&["rev-parse", "main"]), commit.to_string());
}

#[tokio::test]
async fn a_file_that_was_put_is_read_back_byte_for_byte() {
    let bench = Bench::new().await;
    let text = "{\n  \"greeting\": \"Zoë 😀\\u0007\"  }\n\n";
    let file = ConfigurationFile::Properties;
    let outcome =
        bench.repositories.put(&bench.app, &bench.env, file, text.as_bytes(), &PUT).await.unwrap();
    let snapshot = bench.repositories.read(&bench.app, &bench.env, &Revision::HEAD).await.unwrap();
    assert_eq!(outcome, PutOutcome::Committed(snapshot.commit));
    assert_eq!((snapshot.text(file), snapshot.launch.as_str()), (text, "[]\n"));
    assert_eq!(bench.git(&["fsck", "--strict"]), "");
}

#[tokio::test]
async fn the_same_content_again_makes_no_commit() {
    let bench = Bench::new().await;
    let commit = bench.put_min(3).await;
    let same = b"{\"min\": 3}\n";
    let outcome = bench.repositories.put(&bench.app, &bench.env, PARAMS, same, &PUT).await.unwrap();
    assert_eq!(outcome, PutOutcome::Unchanged(commit));
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_changes_nothing() {
    let bench = Bench::new().await;
    let before = bench.git(&["rev-parse", "main"]);
    let put = async |content: &[u8], put: &Put<'_>| {
        let result = bench.repositories.put(&bench.app, &bench.env, PARAMS, content, put).await;
        result.unwrap_err().to_string()
    };
    assert_eq!(
        put(b"{\n \"mni\": 2}", &PUT).await,
        "deployment-params.json: line 2, column 2: unknown key `mni`, did you mean `min`?"
    );
    assert_eq!(put(b"\xff", &PUT).await, "deployment-params.json is not text in UTF-8");
    let silent = Put { message: " \n", ..PUT };
    assert_eq!(put(b"{}", &silent).await, "a message is wanted that says why");
    assert_eq!(bench.git(&["rev-parse", "main"]), before);
}

#[tokio::test]
async fn a_change_made_for_another_commit_conflicts_and_names_the_newest() {
    let bench = Bench::new().await;
    let first = CommitId::parse(&bench.git(&["rev-parse", "main"])).unwrap();
    let second = bench.put_min(3).await;
    let late = Put { expect: Some(first), ..PUT };
    let result = bench.repositories.put(&bench.app, &bench.env, PARAMS, b"{}", &late).await;
    assert!(matches!(
        result,
        Err(PutError::Conflict { expected, current }) if expected == first && current == second
    ));
    let fresh = Put { expect: Some(second), ..PUT };
    let result = bench.repositories.put(&bench.app, &bench.env, PARAMS, b"{}", &fresh).await;
    assert!(matches!(result, Ok(PutOutcome::Committed(_))));
}

#[tokio::test]
async fn a_mistake_that_came_by_push_is_found_with_its_line() {
    let bench = Bench::new().await;
    push(&bench, "{\n\"max\": 1}", "deployment-params.json");
    let result = bench.repositories.check(&bench.app, &bench.env, &Revision::HEAD).await;
    let Err(CheckError::Invalid { commit, invalid }) = result else { panic!("{result:?}") };
    assert_eq!(commit.to_string(), bench.git(&["rev-parse", "main"]));
    assert_eq!(
        invalid.to_string(),
        "deployment-params.json: line 1, column 1: desiredCapacity 2, its default, is more than max 1"
    );
}

#[tokio::test]
async fn a_commit_without_its_files_is_refused_and_can_be_mended_keeping_the_others() {
    let bench = Bench::new().await;
    push(&bench, "hello", "README");
    let read = bench.repositories.read(&bench.app, &bench.env, &Revision::HEAD).await;
    assert!(matches!(read, Err(ReadError::MissingFile { .. })), "{read:?}");
    for file in ConfigurationFile::ALL {
        let text = file.first_text().as_bytes();
        bench.repositories.put(&bench.app, &bench.env, file, text, &PUT).await.unwrap();
    }
    assert!(bench.repositories.read(&bench.app, &bench.env, &Revision::HEAD).await.is_ok());
    assert_eq!(bench.git(&["show", "main:README"]), "hello");
}

#[tokio::test]
async fn a_file_too_long_to_be_valid_is_not_read() {
    let bench = Bench::new().await;
    push(&bench, &" ".repeat(300 << 10), "application-properties.json");
    let read = bench.repositories.read(&bench.app, &bench.env, &Revision::HEAD).await;
    assert!(matches!(read, Err(ReadError::TooLong { .. })), "{read:?}");
}

/// Puts a commit on the main branch as a person's git would: `name` with `content`, and unless that is
/// the README the three files beside it.
fn push(bench: &Bench, content: &str, name: &str) {
    bench.git(&["read-tree", "--empty"]);
    if name != "README" {
        ConfigurationFile::ALL.iter().for_each(|f| stage(bench, f.first_text(), f.as_str()));
    }
    stage(bench, content, name);
    let tree = bench.git(&["write-tree"]);
    let commit = bench.git(&["commit-tree", "-p", "main", "-m", "by push", &tree]);
    bench.git(&["update-ref", "refs/heads/main", &commit]);
}

fn stage(bench: &Bench, content: &str, name: &str) {
    let file = bench.directory().join("content");
    std::fs::write(&file, content).unwrap();
    let blob = bench.git(&["hash-object", "-w", file.to_str().unwrap()]);
    bench.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{name}")]);
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_found() {
    let bench = Bench::empty();
    let Bench { repositories, app, env, .. } = &bench;
    let read = repositories.read(app, env, &Revision::HEAD).await;
    assert_eq!(read.unwrap_err().to_string(), "hello has no configuration in prod");
    let put = repositories.put(app, env, PARAMS, b"{}", &PUT).await;
    assert_eq!(put.unwrap_err().to_string(), "hello has no configuration in prod");
    assert!(repositories.log(app, env, 1).await.is_err());
    assert!(repositories.remove(app, env).await.is_err());
    assert_eq!(bench.entries(), [""; 0]);
}

#[tokio::test]
async fn a_removed_repository_is_gone_and_its_neighbour_is_not() {
    let bench = Bench::new().await;
    let test = EnvName::parse("test").unwrap();
    bench.repositories.ensure(&bench.app, &test).await.unwrap();
    bench.put_min(3).await;
    bench.repositories.remove(&bench.app, &bench.env).await.unwrap();
    assert_eq!(bench.entries(), ["hello-test.git"]);
    bench.repositories.ensure(&bench.app, &bench.env).await.unwrap();
    assert_eq!(bench.repositories.log(&bench.app, &bench.env, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_unfinished_is_swept() {
    let bench = Bench::new().await;
    std::fs::create_dir_all(bench.directory().join(".kiln-abc/made/objects")).unwrap();
    Repositories::open(bench.directory()).unwrap();
    assert_eq!(bench.entries(), ["hello-prod.git"]);
}

#[tokio::test]
async fn hooks_in_the_repository_do_not_run() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new().await;
    let hooks = bench.repositories.path(&bench.app, &bench.env).join("hooks");
    let mark = bench.directory().join("mark");
    std::fs::create_dir(&hooks).unwrap();
    for name in ["reference-transaction", "post-update", "pre-commit"] {
        let hook = hooks.join(name);
        std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.put_min(3).await;
    assert!(!mark.exists());
}
