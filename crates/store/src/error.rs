//! What can go wrong with the database.

use std::path::PathBuf;

/// Why the database could not do what it was asked. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
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
    /// The disk has no room for a change.
    #[error("write the database: the disk is full")]
    Full(#[source] sqlx::Error),
    /// The file system takes no changes.
    #[error("write the database: its file system is read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// What SQLite read is no database, or not whole.
    #[error("read the database: it is damaged, and kiln recover rebuilds it")]
    Damaged(#[source] sqlx::Error),
    /// A file beside the database could not be written or moved.
    #[error("{action} {path}")]
    File {
        /// What was being done, as "rename".
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("use the database")]
    Sql(#[source] sqlx::Error),
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

/// SQLite's primary result codes, the low byte of what it answers.
mod code {
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOT_A_DATABASE: i32 = 26;
    /// A whole code: the index of the log could not grow, which is how a full disk shows there.
    pub(super) const IOERR_SHMSIZE: i32 = 4874;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let Some(whole) = code_of(&error) else { return Self::Sql(error) };
        match whole & 0xff {
            code::CORRUPT | code::NOT_A_DATABASE => Self::Damaged(error),
            code::FULL => Self::Full(error),
            code::READONLY => Self::ReadOnly(error),
            _ if whole == code::IOERR_SHMSIZE => Self::Full(error),
            _ => Self::Sql(error),
        }
    }
}

fn code_of(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}
