//! Applications and environments over the wire.

use crate::rig::{Rig, code, hello, problem, prod};
use kiln_protocol::Code;
use kiln_protocol::catalog::{NewApp, NewEnvironment};
use kiln_store::audit;
use serde_json::json;

#[tokio::test]
async fn an_application_is_created_shown_listed_and_deleted() {
    let rig = Rig::start().await;
    let client = &rig.client;
    let new = NewApp { name: hello(), contact: Some("ada@example.com".to_owned()) };
    let created = client.create_app(&new).await.unwrap();
    assert_eq!(created.metadata["contact"], "ada@example.com");
    assert_eq!(client.app(&hello()).await.unwrap(), created);
    assert_eq!(client.apps().await.unwrap(), [created]);
    assert_eq!(code(client.create_app(&new).await), Code::Exists);
    client.delete_app(&hello()).await.unwrap();
    assert_eq!(code(client.app(&hello()).await), Code::AppNotFound);
    let who = audit::newest(&mut rig.app.database.read().await.unwrap(), 1).await.unwrap();
    assert_eq!(who[0].by.who, "ada");
}

#[tokio::test]
async fn properties_are_set_one_at_a_time_by_their_dotted_path() {
    let rig = Rig::start().await;
    let client = &rig.client;
    client.create_app(&NewApp { name: hello(), contact: None }).await.unwrap();
    client.set_app_property(&hello(), "a.b", &json!([1])).await.unwrap();
    assert_eq!(client.app_property(&hello(), "a").await.unwrap(), json!({"b": [1]}));
    client.unset_app_property(&hello(), "a.b").await.unwrap();
    assert_eq!(code(client.app_property(&hello(), "a.b").await), Code::KeyNotFound);
    let refused = client.set_app_property(&hello(), "contact", &json!(1)).await;
    assert_eq!(code(refused), Code::Invalid);
}

#[tokio::test]
async fn an_environment_names_an_engine_that_is_there() {
    let rig = Rig::start().await;
    let client = &rig.client;
    let new = |engine: &str| NewEnvironment {
        name: prod(),
        engine: engine.to_owned(),
        settings: serde_json::Map::new(),
    };
    let refused = problem(client.create_env(&new("moon")).await);
    assert_eq!(refused.code, Code::NotSupported);
    assert!(refused.detail.contains("known are local"), "{}", refused.detail);
    client.create_env(&new("local")).await.unwrap();
    client.set_env_property(&prod(), "note", &json!("x")).await.unwrap();
    assert_eq!(client.env(&prod()).await.unwrap().metadata["note"], "x");
    assert_eq!(client.envs().await.unwrap().len(), 1);
    client.delete_env(&prod()).await.unwrap();
    assert_eq!(code(client.env(&prod()).await), Code::EnvNotFound);
}
