//! What can go wrong with the database.

use std::path::PathBuf;

/// Why the database could not do what it was asked. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or is not a database.
    #[error("open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A newer Kiln wrote the file.
    #[error(
        "the database has schema {found}, this Kiln knows up to {known}: run the newer Kiln again"
    )]
    Newer {
        /// The schema of the file.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// A statement failed.
    #[error("use the database")]
    Sql(#[from] sqlx::Error),
    /// A stored value is not what its column asks for.
    #[error("read {column} of the database: {value:?} is not valid")]
    Corrupt {
        /// Table and column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
}

impl StoreError {
    /// Whether a uniqueness constraint refused the statement.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(e)) if e.is_unique_violation())
    }
}
