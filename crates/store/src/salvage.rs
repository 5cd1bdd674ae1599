//! Making a database again from what can still be read of a damaged one, and from its spare.
//!
//! Of the damaged one a copy is read: not a byte of it is changed, not even by SQLite's own
//! recovery. A table that can be read to its end is taken as it is. Of one that cannot, what lies
//! before and behind the damage is taken, and the spare fills the gap. When the spare counts more
//! commits than the database, the database lost its newest changes, and the spare comes first.

mod mend;
mod rows;

use crate::copying::{ALL, attach, beside, blank, copy, log_of, remove, settle, tables};
use crate::{StoreError, condition, copying, spare};
use sqlx::{Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};

/// Where the rows of a table came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The damaged database, which had all of them whole.
    Database,
    /// What could be read of the damaged database, and the spare.
    Both,
    /// The spare, which holds all rows of this table.
    Spare,
    /// The spare, which holds only the present of this table and no history.
    Present,
    /// Neither: what stood there is lost.
    Nothing,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Its name.
    pub table: String,
    /// How many rows it has again.
    pub rows: u64,
    /// Where they came from.
    pub origin: Origin,
}

/// The files that there still are.
struct Sources {
    /// A copy of the damaged database that SQLite opens.
    damaged: Option<PathBuf>,
    spare: Option<PathBuf>,
    /// Whether the spare knows of more than the database.
    spare_first: bool,
}

/// Writes a new database at `new` from a damaged one and a spare, either of which may be missing.
///
/// # Errors
/// When the new file cannot be written. What cannot be read is no error: see [`Salvaged`].
pub async fn rebuild(
    new: &Path,
    damaged: Option<&Path>,
    spare: Option<&Path>,
) -> Result<Vec<Salvaged>, StoreError> {
    let copied = beside(new, "-damaged");
    let sources = Sources::find(damaged, spare, &copied).await?;
    let mut salvaged = attempt(new, &sources).await?;
    if mend::verify(new).await.is_err() {
        // What SQLite takes for text or a number need not be one of Kiln's.
        salvaged = attempt(new, &Sources { damaged: None, ..sources }).await?;
        mend::verify(new).await?;
    }
    for leftover in [&copied, &log_of(&copied), &copying::log_index_of(&copied)] {
        remove(leftover)?;
    }
    Ok(salvaged)
}

// === impl Sources ===

impl Sources {
    async fn find(
        damaged: Option<&Path>,
        spare: Option<&Path>,
        copied: &Path,
    ) -> Result<Self, StoreError> {
        let damaged = damaged.filter(|path| path.exists());
        if let Some(damaged) = damaged {
            take_copy(damaged, copied)?;
        }
        let damaged = damaged.map(|_| copied.to_owned());
        let spare = spare.filter(|path| path.exists()).map(Path::to_owned);
        let (of_damaged, of_spare) = (count(damaged.as_ref()).await, count(spare.as_ref()).await);
        Ok(Self { damaged, spare, spare_first: of_spare > of_damaged })
    }
}

async fn count(path: Option<&PathBuf>) -> Option<u64> {
    condition::commits_of(path?).await
}

fn take_copy(path: &Path, to: &Path) -> Result<(), StoreError> {
    for (from, to) in [(path.to_owned(), to.to_owned()), (log_of(path), log_of(to))] {
        remove(&to)?;
        if from.exists() {
            std::fs::copy(&from, &to).map_err(copying::at("copy", &from))?;
        }
    }
    remove(&copying::log_index_of(to))
}

async fn attempt(new: &Path, sources: &Sources) -> Result<Vec<Salvaged>, StoreError> {
    let unfinished = beside(new, "-unfinished");
    let mut db = blank(&unfinished).await?;
    let damaged = opened(&mut db, sources.damaged.as_ref(), "damaged").await;
    let spare = opened(&mut db, sources.spare.as_ref(), "spare").await;
    // In no transaction: one that met damage takes no more writes. Nothing sees the file before it is
    // settled.
    let mut salvaged = Vec::new();
    for table in tables(&mut db, "main").await? {
        let of_spare = spare.contains(&table);
        let of_damaged = damaged.contains(&table);
        salvaged.push(match sources.spare_first && of_spare {
            true => newer_spare(&mut db, table, of_damaged).await?,
            false => damaged_first(&mut db, table, of_damaged, of_spare).await?,
        });
    }
    mend::mend(&mut db, &salvaged, !damaged.is_empty(), !spare.is_empty()).await?;
    db.close().await?;
    settle(&unfinished, new)?;
    Ok(salvaged)
}

/// The tables of a file; none of one that cannot be read.
async fn opened(
    db: &mut SqliteConnection,
    path: Option<&PathBuf>,
    name: &'static str,
) -> Vec<String> {
    let Some(path) = path else { return Vec::new() };
    if attach(db, path, name).await.is_err() {
        return Vec::new();
    }
    tables(db, name).await.unwrap_or_default()
}

/// The damaged database has the word, the spare fills in.
async fn damaged_first(
    db: &mut SqliteConnection,
    table: String,
    of_damaged: bool,
    of_spare: bool,
) -> Result<Salvaged, StoreError> {
    let read = if of_damaged { rows::salvage(db, &table).await? } else { rows::Read::default() };
    if read.whole {
        return Ok(Salvaged { table, rows: read.rows, origin: Origin::Database });
    }
    let more = if of_spare { copy(db, "spare", &table, ALL).await.ok() } else { None };
    let origin = match (read.rows, more) {
        (0, None) => Origin::Nothing,
        (0, Some(_)) if spare::is_partial(&table) => Origin::Present,
        (0, Some(_)) => Origin::Spare,
        _ => Origin::Both,
    };
    Ok(Salvaged { table, rows: read.rows + more.unwrap_or(0), origin })
}

/// The spare has the word. Of history it holds little, and the database has the rest of it.
async fn newer_spare(
    db: &mut SqliteConnection,
    table: String,
    of_damaged: bool,
) -> Result<Salvaged, StoreError> {
    let Ok(rows) = copy(db, "spare", &table, ALL).await else {
        return damaged_first(db, table, of_damaged, false).await;
    };
    if !spare::is_partial(&table) {
        return Ok(Salvaged { table, rows, origin: Origin::Spare });
    }
    let history = of_damaged && !mend::is_of_the_present(&table);
    let more = if history { rows::salvage(db, &table).await?.rows } else { 0 };
    let origin = if more > 0 { Origin::Both } else { Origin::Present };
    Ok(Salvaged { table, rows: rows + more, origin })
}

#[cfg(test)]
mod tests;
