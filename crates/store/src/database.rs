//! Opening the file, and the two ways to use it.

use crate::{StoreError, Turn, Turns, migrations};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How many readers work at once. Reads are short; more would only queue on two cores.
const READERS: u32 = 4;

/// Takes the one writer's place at once, so that no change is begun that could not be finished.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// The database: one connection that writes, a few that read.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    commits: Arc<watch::Sender<u64>>,
    turns: Option<Arc<dyn Turns>>,
}

/// Which schema a file has, and which one this program makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The file's; 0 when there is none yet.
    pub found: i64,
    /// This program's.
    pub known: i64,
}

/// A change in the making. Dropped without [`Write::commit`], nothing of it happened.
#[derive(Debug)]
pub struct Write {
    transaction: Transaction<'static, Sqlite>,
    commits: Arc<watch::Sender<u64>>,
    /// Given back last.
    _turn: Option<Turn>,
}

/// A connection that reads.
#[derive(Debug)]
pub struct Read {
    connection: sqlx::pool::PoolConnection<Sqlite>,
    /// Given back last.
    _turn: Option<Turn>,
}

impl Schema {
    /// Looks at a file and changes nothing, whoever has it open.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer Kiln wrote it, [`StoreError::Open`] when it cannot be
    /// opened.
    pub async fn of(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Ok(Self { found: 0, known: migrations::known() });
        }
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10));
        let file = pool(1).connect_with(options).await.map_err(open)?;
        let found = migrations::found(&mut *file.acquire().await.map_err(open)?).await;
        file.close().await;
        found.map(|found| Self { found, known: migrations::known() })
    }
}

impl Database {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer Kiln wrote it, [`StoreError::Damaged`] when it is not
    /// whole, [`StoreError::Open`] when it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_synced(path, SqliteSynchronous::Full).await
    }

    /// Opens the file as [`Database::open`] does, and never waits for the disk: what was committed is
    /// lost with the power. For tests, which make thousands of databases; clippy refuses it elsewhere.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_unsynced(path: &Path) -> Result<Self, StoreError> {
        Self::open_synced(path, SqliteSynchronous::Off).await
    }

    /// The same database, whose connections are handed out when the given turns come. For tests that
    /// choose the order in which everything happens; clippy refuses it elsewhere.
    #[must_use]
    pub fn with_turns(self, turns: Arc<dyn Turns>) -> Self {
        Self { turns: Some(turns), ..self }
    }

    async fn open_synced(path: &Path, synchronous: SqliteSynchronous) -> Result<Self, StoreError> {
        let open = |source| match StoreError::from(source) {
            StoreError::Sql(source) => StoreError::Open { path: path.to_owned(), source },
            told => told,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = pool(1).connect_with(options.clone()).await.map_err(open)?;
        migrations::migrate(&mut *writer.acquire().await.map_err(open)?).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(open)?;
        Ok(Self { writer, readers, commits: Arc::default(), turns: None })
    }

    /// Begins a change; waits for the one before to end.
    ///
    /// # Errors
    /// When the database cannot be reached within ten seconds.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let turn = self.turn().await;
        let transaction = match self.writer.begin_with(BEGIN).await {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.renew_writer().await?;
                self.writer.begin_with(BEGIN).await?
            }
            begun => begun?,
        };
        Ok(Write { transaction, commits: self.commits.clone(), _turn: turn })
    }

    /// A full disk makes SQLite end a transaction by itself, of which sqlx does not hear: the
    /// connection would count it as open for ever.
    async fn renew_writer(&self) -> Result<(), StoreError> {
        Ok(self.writer.acquire().await?.close().await?)
    }

    /// A connection to read what is committed.
    ///
    /// # Errors
    /// When the database cannot be reached within ten seconds.
    pub async fn read(&self) -> Result<Read, StoreError> {
        let turn = self.turn().await;
        Ok(Read { connection: self.readers.acquire().await?, _turn: turn })
    }

    async fn turn(&self) -> Option<Turn> {
        match &self.turns {
            None => None,
            Some(turns) => Some(turns.next().await),
        }
    }

    /// Copies the database as it is at one moment into a new file; others go on meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let mut db = self.read().await?;
        let path = path.to_string_lossy();
        sqlx::query("VACUUM INTO ?").bind(path.as_ref()).execute(&mut *db).await?;
        Ok(())
    }

    /// Tells of every commit of this process.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Writes what the log holds into the file and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
}

impl Write {
    /// Makes the change last.
    ///
    /// # Errors
    /// When the disk refuses it; then nothing of it happened.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let count = sqlx::query("UPDATE commits SET count = count + 1");
        count.execute(&mut *self.transaction).await?;
        self.transaction.commit().await?;
        self.commits.send_modify(|count| *count += 1);
        Ok(())
    }
}

impl Deref for Write {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl Deref for Read {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Read {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
