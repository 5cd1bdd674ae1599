//! What the history shows.

use crate::{Bench, PARAMS};
use kiln_config::Put;

#[tokio::test]
async fn the_newest_commits_come_first_with_who_when_and_why() {
    let bench = Bench::new().await;
    let message = "more\n\nbecause of <b>Zoë</b>\r\u{1b}[2J\n";
    let put = Put { message, author: "Zoë <z@x>\nevil", when: 1_700_000_001, expect: None };
    bench.repositories.put(&bench.app, &bench.env, PARAMS, b"{\"min\": 5}", &put).await.unwrap();
    let log = bench.repositories.log(&bench.app, &bench.env, 10).await.unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].author.as_str(), log[0].when), ("Zoë z@xevil", 1_700_000_001));
    assert_eq!(log[0].message, "more\n\nbecause of <b>Zoë</b>[2J");
    assert_eq!((log[1].author.as_str(), log[1].when), ("Kiln", 0));
    assert_eq!(log[1].commit.to_string(), bench.git(&["rev-parse", "main~1"]));
}

#[tokio::test]
async fn a_history_has_its_limit() {
    let bench = Bench::new().await;
    for min in 3..7 {
        bench.put_min(min).await;
    }
    let log = bench.repositories.log(&bench.app, &bench.env, 2).await.unwrap();
    let messages: Vec<_> = log.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages, ["min 6", "min 5"]);
    assert!(bench.repositories.log(&bench.app, &bench.env, 0).await.unwrap().is_empty());
}
