//! Which commits can be read.

use crate::Bench;
use kiln_config::{ReadError, Revision, Snapshot};
use kiln_names::CommitId;

async fn read(bench: &Bench, revision: &str) -> Result<Snapshot, ReadError> {
    let revision = Revision::parse(revision).unwrap();
    bench.repositories.read(&bench.app, &bench.env, &revision).await
}

#[tokio::test]
async fn a_commit_is_read_by_its_age_its_id_and_the_beginning_of_its_id() {
    let bench = Bench::new().await;
    let three = bench.put_min(3).await;
    bench.put_min(4).await;
    for revision in
        ["HEAD~1", &three.to_string(), &three.to_string()[..12], &three.to_string()[..39]]
    {
        let snapshot = read(&bench, revision).await.unwrap();
        assert_eq!((snapshot.commit, snapshot.params.as_str()), (three, "{\"min\": 3}\n"));
    }
    assert_eq!(read(&bench, "HEAD").await.unwrap().params, "{\"min\": 4}\n");
    assert_eq!(read(&bench, "HEAD~2").await.unwrap().params, "{}\n");
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_unknown() {
    let bench = Bench::new().await;
    let absent = "0123456789abcdef0123456789abcdef01234567";
    for revision in ["HEAD~1", "0123", absent] {
        let error = read(&bench, revision).await.unwrap_err().to_string();
        let expected = format!("the configuration has no commit {revision} on its main branch");
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn only_commits_of_the_main_branch_are_read() {
    let bench = Bench::new().await;
    let first = bench.git(&["rev-parse", "main"]);
    let aside = bench.git(&["commit-tree", "-p", "main", "-m", "aside", "main^{tree}"]);
    bench.git(&["update-ref", "refs/heads/aside", &aside]);
    for revision in [aside.as_str(), &aside[..10]] {
        let result = read(&bench, revision).await;
        assert!(matches!(result, Err(ReadError::UnknownRevision(_))), "{result:?}");
    }
    bench.put_min(3).await;
    let result = read(&bench, &aside).await;
    assert!(matches!(result, Err(ReadError::UnknownRevision(_))), "{result:?}");
    assert_eq!(read(&bench, &first).await.unwrap().commit, CommitId::parse(&first).unwrap());
}

#[tokio::test]
async fn a_branch_that_is_named_like_a_commit_is_not_meant() {
    let bench = Bench::new().await;
    bench.git(&["update-ref", "refs/heads/cafe", "main"]);
    bench.git(&["update-ref", "refs/tags/cafe12", "main"]);
    for revision in ["cafe", "cafe12"] {
        let result = read(&bench, revision).await;
        assert!(matches!(result, Err(ReadError::UnknownRevision(_))), "{result:?}");
    }
}

#[tokio::test]
async fn the_id_of_a_file_or_a_tree_is_not_a_commit() {
    let bench = Bench::new().await;
    for object in ["main^{tree}", "main:launch-data.json"] {
        let result = read(&bench, &bench.git(&["rev-parse", object])).await;
        assert!(matches!(result, Err(ReadError::UnknownRevision(_))), "{result:?}");
    }
}

#[tokio::test]
async fn a_replaced_object_does_not_change_what_a_commit_means() {
    let bench = Bench::new().await;
    let three = bench.put_min(3).await;
    let four = bench.put_min(4).await;
    bench.git(&["replace", &three.to_string(), &four.to_string()]);
    assert_eq!(read(&bench, &three.to_string()).await.unwrap().params, "{\"min\": 3}\n");
}

#[tokio::test]
async fn reading_takes_little_time() {
    let bench = Bench::new().await;
    read(&bench, "HEAD").await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        read(&bench, "HEAD").await.unwrap();
        taken.push(begun.elapsed());
    }
    taken.sort();
    // It takes some 2.5 ms on a quiet machine; the bound leaves room for a loaded one.
    assert!(taken[0] < std::time::Duration::from_millis(50), "{taken:?}");
}
