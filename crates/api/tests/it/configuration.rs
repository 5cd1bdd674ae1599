//! Configuration over the wire.

use crate::rig::{Rig, code, hello, problem, prod};
use kiln_names::CommitId;
use kiln_protocol::Code;
use kiln_protocol::catalog::{NewApp, NewEnvironment};
use kiln_protocol::revision::NewFile;
use kiln_store::audit;

const PROPERTIES: &str = "application-properties.json";

fn file(content: &str, expect: Option<CommitId>) -> NewFile {
    NewFile { content: content.to_owned(), message: "because".to_owned(), expect }
}

#[tokio::test]
async fn the_repository_is_made_on_first_use_and_a_file_is_replaced_whole() {
    let rig = Rig::start().await;
    let client = &rig.client;
    assert_eq!(code(client.config(&hello(), &prod(), None).await), Code::AppNotFound);
    client.create_app(&NewApp { name: hello(), contact: None }).await.unwrap();
    assert_eq!(code(client.config(&hello(), &prod(), None).await), Code::EnvNotFound);
    let new = NewEnvironment {
        name: prod(),
        engine: "local".to_owned(),
        settings: serde_json::Map::new(),
    };
    client.create_env(&new).await.unwrap();

    let first = client.config(&hello(), &prod(), None).await.unwrap();
    assert_eq!(first.files.len(), 3);
    let new = file(r#"{"a": 1}"#, Some(first.commit));
    let commit = client.put_config(&hello(), &prod(), PROPERTIES, &new).await.unwrap();
    assert_eq!((commit.author.as_str(), commit.message.as_str()), ("ada", "because"));
    let mut db = rig.app.database.read().await.unwrap();
    let row = audit::newest(&mut db, 1).await.unwrap().remove(0);
    let what = serde_json::json!({"did": "put configuration", "app": "hello", "env": "prod",
        "file": PROPERTIES, "commit": commit.commit});
    assert_eq!((row.by.who.as_str(), &row.what), ("ada", &what));
    let second = client.config(&hello(), &prod(), None).await.unwrap();
    assert_eq!((second.commit, &*second.files[PROPERTIES]), (commit.commit, r#"{"a": 1}"#));
    let old = client.config(&hello(), &prod(), Some(&first.commit.to_string()[..8])).await;
    assert_eq!(old.unwrap(), first);
    let log = client.config_log(&hello(), &prod(), 9).await.unwrap();
    assert_eq!(log.iter().map(|it| it.commit).collect::<Vec<_>>(), [second.commit, first.commit]);

    let stale = client.put_config(&hello(), &prod(), PROPERTIES, &new).await;
    assert_eq!(code(stale), Code::StaleCommit);
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_its_place_and_nothing_changes() {
    let rig = Rig::ready().await;
    let client = &rig.client;
    let before = client.config(&hello(), &prod(), None).await.unwrap();
    let new = file("{\"memry\": \"1GiB\"}", None);
    let refused = client.put_config(&hello(), &prod(), "deployment-params.json", &new).await;
    let refused = problem(refused);
    assert_eq!(refused.code, Code::InvalidConfiguration);
    assert!(refused.detail.contains("did you mean `memory`"), "{}", refused.detail);
    assert_eq!(client.config(&hello(), &prod(), None).await.unwrap(), before);
    let refused = client.put_config(&hello(), &prod(), "else.json", &file("{}", None)).await;
    assert_eq!(code(refused), Code::Invalid);
    assert_eq!(code(client.config(&hello(), &prod(), Some("cafe")).await), Code::CommitNotFound);
    assert_eq!(code(client.config(&hello(), &prod(), Some("--x")).await), Code::Invalid);
}
