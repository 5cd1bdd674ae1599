use super::*;
use crate::audit::By;
use crate::deployments::NewDeployment;
use crate::{Condition, Database, catalog, deployments, examine, journal};
use kiln_names::DeploymentId;
use serde_json::json;
use std::os::unix::fs::FileExt as _;

const DEPLOYMENTS: u64 = 400;

struct Books {
    dir: tempfile::TempDir,
}

impl Books {
    /// A database with some hundred deployments, closed, and its spare.
    async fn kept() -> Self {
        let books = Self { dir: tempfile::tempdir().unwrap() };
        let db = Database::open(&books.path()).await.unwrap();
        let by = By { who: "ann".to_owned(), at_ms: 1 };
        let mut write = db.write().await.unwrap();
        let row = catalog::ApplicationRow {
            name: "hello".parse().unwrap(),
            created_ms: 1,
            metadata: serde_json::Map::new(),
        };
        catalog::add_application(&mut write, &row, &by).await.unwrap();
        for n in 0..DEPLOYMENTS {
            deploy(&mut write, n).await;
        }
        write.commit().await.unwrap();
        spare::write(&books.path(), &books.spare()).await.unwrap();
        db.close().await;
        books
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("kiln.db")
    }

    fn spare(&self) -> PathBuf {
        self.dir.path().join("kiln.spare")
    }

    async fn condition(&self) -> Condition {
        examine(&self.path(), &self.spare()).await.unwrap()
    }

    async fn rebuilt(&self) -> (Vec<Salvaged>, Database) {
        let new = self.dir.path().join("new.db");
        let before = std::fs::read(self.path()).ok();
        let done = rebuild(&new, Some(&self.path()), Some(&self.spare())).await.unwrap();
        assert_eq!(std::fs::read(self.path()).ok(), before, "the damaged one is only read");
        (done, Database::open(&new).await.unwrap())
    }

    fn overwrite(&self, at: u64, bytes: &[u8]) {
        let file = std::fs::File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    /// The pages of a table or an index, but its root.
    async fn leaves(&self, name: &str) -> Vec<u64> {
        let db = Database::open(&self.path()).await.unwrap();
        let sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'";
        let mut read = db.read().await.unwrap();
        let pages: Vec<i64> =
            sqlx::query_scalar(sql).bind(name).fetch_all(&mut *read).await.unwrap();
        drop(read);
        db.close().await;
        pages.into_iter().map(|page| (page.cast_unsigned() - 1) * 4096).collect()
    }
}

async fn deploy(db: &mut crate::Write, n: u64) {
    let bytes = n.to_be_bytes();
    let new = NewDeployment {
        id: DeploymentId::from_random([0, 0, bytes[4], bytes[5], bytes[6], bytes[7]]),
        app: "hello".parse().unwrap(),
        env: "prod".parse().unwrap(),
        verb: "deploy".to_owned(),
        who: "ann".to_owned(),
        message: "a reason of some length, as people write them".to_owned(),
        state: "completed".to_owned(),
        started_ms: n,
    };
    let number = deployments::begin(db, &new).await.unwrap();
    let event = json!({"event": "requested", "text": "x".repeat(200)}).to_string();
    journal::append(db, number, &journal::JournalRow { seq: 0, at_ms: n, event }).await.unwrap();
    let change = deployments::StateChange {
        state: "completed",
        reason: None,
        locks: false,
        ended: true,
        at_ms: n,
    };
    deployments::set_state(db, number, change).await.unwrap();
}

fn of<'a>(done: &'a [Salvaged], table: &str) -> &'a Salvaged {
    done.iter().find(|done| done.table == table).unwrap()
}

async fn next_number(db: &Database) -> u64 {
    let mut write = db.write().await.unwrap();
    let nobody = 1_000_000 + u64::from(std::process::id());
    let newest = deployments::newest(&mut write, None, None, 1).await.unwrap();
    deploy(&mut write, nobody + newest[0].number).await;
    let newest = deployments::newest(&mut write, None, None, 1).await.unwrap();
    write.commit().await.unwrap();
    newest[0].number
}

#[tokio::test]
async fn a_whole_database_is_found_whole_and_a_missing_one_missing() {
    let books = Books::kept().await;
    assert_eq!(books.condition().await, Condition::Whole);
    std::fs::remove_file(books.path()).unwrap();
    assert_eq!(books.condition().await, Condition::Missing);
}

#[tokio::test]
async fn a_database_without_one_page_of_a_table_loses_the_rows_of_that_page_alone() {
    let books = Books::kept().await;
    let leaves = books.leaves("journal").await;
    books.overwrite(leaves[leaves.len() / 2], &[0xff; 4096]);
    assert!(matches!(books.condition().await, Condition::Damaged { .. }));
    let (done, db) = books.rebuilt().await;
    let journal = of(&done, "journal");
    assert_eq!(journal.origin, Origin::Both);
    assert!((DEPLOYMENTS - 30..DEPLOYMENTS).contains(&journal.rows), "{journal:?}");
    assert_eq!(of(&done, "deployments").origin, Origin::Database);
    assert_eq!(next_number(&db).await, DEPLOYMENTS + 1);
}

#[tokio::test]
async fn a_damaged_index_loses_nothing() {
    let books = Books::kept().await;
    let leaves = books.leaves("deployments_cluster").await;
    books.overwrite(leaves[0], &[0xff; 4096]);
    assert!(matches!(books.condition().await, Condition::Damaged { .. }));
    let (done, db) = books.rebuilt().await;
    let database = |done: &Salvaged| done.origin == Origin::Database;
    assert!(done.iter().all(database), "{done:?}");
    assert_eq!(next_number(&db).await, DEPLOYMENTS + 1);
}

#[tokio::test]
async fn a_database_replaced_by_garbage_comes_back_from_its_spare_and_numbers_go_on() {
    let books = Books::kept().await;
    std::fs::write(books.path(), b"this is no database".repeat(1000)).unwrap();
    assert!(matches!(books.condition().await, Condition::Damaged { .. }));
    let (done, db) = books.rebuilt().await;
    assert_eq!(of(&done, "applications").rows, 1);
    assert_eq!(of(&done, "deployments").origin, Origin::Present);
    assert_eq!(next_number(&db).await, DEPLOYMENTS + 101);
}

#[tokio::test]
async fn a_header_of_a_newer_schema_is_told_and_a_cut_file_is_damaged() {
    let books = Books::kept().await;
    let whole = std::fs::read(books.path()).unwrap();
    books.overwrite(60, &99_u32.to_be_bytes());
    assert!(matches!(books.condition().await, Condition::Newer { found: 99, .. }));
    std::fs::write(books.path(), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(books.condition().await, Condition::Damaged { .. }));
    std::fs::write(books.path(), "").unwrap();
    assert_eq!(books.condition().await, Condition::Missing);
}

#[tokio::test]
async fn a_database_older_than_its_spare_is_behind_and_the_spare_has_the_word() {
    let books = Books::kept().await;
    let before = std::fs::read(books.path()).unwrap();
    let db = Database::open(&books.path()).await.unwrap();
    let number = next_number(&db).await;
    spare::write(&books.path(), &books.spare()).await.unwrap();
    db.close().await;
    std::fs::write(books.path(), before).unwrap();
    assert!(matches!(books.condition().await, Condition::Behind { commits: 1, spare: 2 }));
    let (done, db) = books.rebuilt().await;
    assert_eq!(of(&done, "deployments").rows, DEPLOYMENTS + 1, "history from both");
    assert!(next_number(&db).await > number);
}

#[tokio::test]
async fn without_a_database_and_without_a_spare_an_empty_one_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new.db");
    let done = rebuild(&new, None, None).await.unwrap();
    assert!(done.iter().all(|done| done.origin == Origin::Nothing), "{done:?}");
    Database::open(&new).await.unwrap();
}
