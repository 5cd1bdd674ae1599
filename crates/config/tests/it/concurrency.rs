//! Several at once.

use crate::{Bench, PARAMS};
use kiln_config::{Put, PutError, PutOutcome};
use kiln_names::CommitId;
use std::sync::Arc;
use tokio::task::JoinSet;

const AT_ONCE: usize = 8;

async fn put_at_once(bench: &Arc<Bench>, expect: Option<CommitId>) -> (Vec<CommitId>, usize) {
    let mut tasks = JoinSet::new();
    for index in 0..AT_ONCE {
        let bench = Arc::clone(bench);
        tasks.spawn(async move {
            let text = format!("{{\"min\": {}}}", index + 10);
            let message = format!("change {index}");
            let put = Put { message: &message, author: "zoe", when: 1_700_000_000, expect };
            bench.repositories.put(&bench.app, &bench.env, PARAMS, text.as_bytes(), &put).await
        });
    }
    let (mut committed, mut conflicts) = (Vec::new(), 0);
    for result in tasks.join_all().await {
        match result {
            Ok(PutOutcome::Committed(commit)) => committed.push(commit),
            Err(PutError::Conflict { expected, current }) if expected != current => conflicts += 1,
            other => panic!("{other:?}"),
        }
    }
    (committed, conflicts)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_made_for_one_commit_exactly_one_wins() {
    let bench = Arc::new(Bench::new().await);
    let head = CommitId::parse(&bench.git(&["rev-parse", "main"])).unwrap();
    let (committed, conflicts) = put_at_once(&bench, Some(head)).await;
    assert_eq!((committed.len(), conflicts), (1, AT_ONCE - 1));
    assert_eq!(bench.git(&["rev-parse", "main"]), committed[0].to_string());
    assert_eq!(bench.git(&["rev-parse", "main~1"]), head.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_change_is_lost() {
    let bench = Arc::new(Bench::new().await);
    let (committed, conflicts) = put_at_once(&bench, None).await;
    assert_eq!(committed.len() + conflicts, AT_ONCE);
    assert!(!committed.is_empty());
    let history = bench.git(&["rev-list", "main"]);
    for commit in &committed {
        assert!(history.contains(&commit.to_string()), "{commit} is not in\n{history}");
    }
    assert_eq!(history.lines().count(), committed.len() + 1);
    assert_eq!(bench.git(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn making_one_repository_several_times_at_once_makes_one() {
    let bench = Arc::new(Bench::empty());
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move { bench.repositories.ensure(&bench.app, &bench.env).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(bench.entries(), ["hello-prod.git"]);
    assert_eq!(bench.git(&["rev-list", "--count", "main"]), "1");
}
