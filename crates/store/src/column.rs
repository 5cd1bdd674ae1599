//! Values on their way into columns and out of them.

use crate::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::str::FromStr;

/// A checked text of the column at `at`.
pub(crate) fn text<T: FromStr>(
    row: &SqliteRow,
    at: usize,
    column: &'static str,
) -> Result<T, StoreError> {
    parse(row.try_get(at)?, column)
}

/// A checked text, or null.
pub(crate) fn optional<T: FromStr>(
    row: &SqliteRow,
    at: usize,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let value: Option<String> = row.try_get(at)?;
    value.map(|value| parse(value, column)).transpose()
}

/// A value kept as JSON.
pub(crate) fn json<T: DeserializeOwned>(
    row: &SqliteRow,
    at: usize,
    column: &'static str,
) -> Result<T, StoreError> {
    let value: String = row.try_get(at)?;
    serde_json::from_str(&value).map_err(|_| StoreError::Corrupt { column, value })
}

/// A count or a time.
pub(crate) fn number(row: &SqliteRow, at: usize, column: &'static str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(at)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt { column, value: value.to_string() })
}

/// SQLite's integers are signed; nothing that Kiln counts reaches 2^63.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The JSON of a value whose keys are texts.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with text keys becomes JSON")
}

fn parse<T: FromStr>(value: String, column: &'static str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Corrupt { column, value })
}
