//! The catalog over a real database.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use kiln_catalog::environments::NewEnvironment;
use kiln_catalog::{By, CatalogError, Edit, Holders, Key, applications, blocked, environments};
use kiln_names::{AppName, EnvName};
use kiln_store::{Database, Write};
use serde_json::{Map, Value, json};

async fn open() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
    (dir, db)
}

fn ann() -> By {
    By { who: "ann".to_owned(), at_ms: 7 }
}

fn hello() -> AppName {
    AppName::parse("hello").unwrap()
}

fn set(key: &str, value: Value) -> Edit {
    Edit::Set(Key::parse(key).unwrap(), value)
}

fn nobody(_: &mut Write) -> Holders<'_> {
    Box::pin(async { Ok(Vec::new()) })
}

fn prod(_: &mut Write) -> Holders<'_> {
    Box::pin(async { Ok(vec!["deployed in prod".to_owned()]) })
}

#[tokio::test]
async fn an_application_lives_from_create_to_delete() {
    let (_dir, db) = open().await;
    let contact = Map::from_iter([("contact".to_owned(), json!("team@example.com"))]);
    applications::create(&db, &hello(), contact, &ann()).await.unwrap();
    let again = applications::create(&db, &hello(), Map::new(), &ann()).await;
    assert!(matches!(again, Err(CatalogError::Exists { .. })));

    applications::edit(&db, &hello(), set("links.wiki", json!("/x")), &ann()).await.unwrap();
    let key = Key::parse("links").unwrap();
    assert_eq!(applications::get(&db, &hello(), &key).await.unwrap(), json!({"wiki": "/x"}));
    applications::edit(&db, &hello(), Edit::Unset(key.clone()), &ann()).await.unwrap();
    let gone = applications::get(&db, &hello(), &key).await;
    assert!(matches!(gone, Err(CatalogError::NoProperty { .. })));
    let gone = applications::edit(&db, &hello(), Edit::Unset(key), &ann()).await;
    assert!(matches!(gone, Err(CatalogError::NoProperty { .. })));

    let held = applications::delete(&db, &hello(), prod, &ann()).await.unwrap_err();
    assert_eq!(held.to_string(), "the application hello is in use: deployed in prod");
    applications::delete(&db, &hello(), nobody, &ann()).await.unwrap();
    let gone = applications::show(&db, &hello()).await;
    assert!(matches!(gone, Err(CatalogError::NotFound { .. })));
    assert!(applications::list(&db).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_edit_that_is_refused_changes_nothing() {
    let (_dir, db) = open().await;
    applications::create(&db, &hello(), Map::new(), &ann()).await.unwrap();
    let refused = applications::edit(&db, &hello(), set("contact", json!("ann")), &ann()).await;
    assert!(matches!(refused, Err(CatalogError::Metadata(_))));
    assert!(applications::show(&db, &hello()).await.unwrap().metadata.is_empty());
    let nobody = AppName::parse("nobody").unwrap();
    let missing = applications::edit(&db, &nobody, set("a", json!(1)), &ann()).await;
    assert!(matches!(missing, Err(CatalogError::NotFound { .. })));
}

#[tokio::test]
async fn two_edits_at_once_both_last() {
    let (_dir, db) = open().await;
    applications::create(&db, &hello(), Map::new(), &ann()).await.unwrap();
    let (name, by) = (hello(), ann());
    let (one, two) = tokio::join!(
        applications::edit(&db, &name, set("a", json!(1)), &by),
        applications::edit(&db, &name, set("b", json!(2)), &by),
    );
    one.unwrap();
    two.unwrap();
    assert_eq!(applications::show(&db, &name).await.unwrap().metadata.len(), 2);
}

#[tokio::test]
async fn an_environment_names_an_engine_that_there_is() {
    let (_dir, db) = open().await;
    let name = EnvName::parse("prod").unwrap();
    let new = |engine: &str| NewEnvironment {
        name: name.clone(),
        engine: engine.to_owned(),
        settings: Map::new(),
        metadata: Map::new(),
    };
    let unknown = environments::create(&db, new("cloud"), &ann()).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no engine \"cloud\": known are local, docker");
    environments::create(&db, new("local"), &ann()).await.unwrap();

    let block = set("blocked", json!({"user": "ann", "reason": "audit"}));
    let edited = environments::edit(&db, &name, block, &ann()).await.unwrap();
    assert_eq!(blocked(&edited.metadata).unwrap().user, "ann");
    environments::delete(&db, &name, nobody, &ann()).await.unwrap();
    assert!(environments::list(&db).await.unwrap().is_empty());
}
