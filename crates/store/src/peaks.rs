//! The most memory that instances ever used: one row per process and release, so that the table
//! grows with neither time nor instances.

use crate::StoreError;
use crate::column::{number, signed, text};
use kiln_names::{AppName, ByteSize, EnvName, ProcessName, ReleaseId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// How many releases of a process keep their peak; the one measured longest ago goes first.
const RELEASES_KEPT: i64 = 10;

/// What instances of one process of one release used at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeakRow {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The process.
    pub process: ProcessName,
    /// The release.
    pub release: ReleaseId,
    /// The most that any instance of it had at once.
    pub peak: ByteSize,
    /// The highest limit at which the kernel killed one of its processes for memory.
    pub too_small: Option<ByteSize>,
    /// When that was last measured, in milliseconds since 1970.
    pub last_ms: u64,
}

/// Takes a measurement: what is stored only ever rises. Drops the oldest releases beyond those
/// kept.
///
/// # Errors
/// When the database refuses.
pub async fn raise(db: &mut SqliteConnection, row: &PeakRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO memory_peaks (app, env, process, release, peak, too_small, last_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET peak = max(peak, excluded.peak),
            too_small = nullif(max(ifnull(too_small, 0), ifnull(excluded.too_small, 0)), 0),
            last_ms = max(last_ms, excluded.last_ms)";
    sqlx::query(sql)
        .bind(row.app.as_str())
        .bind(row.env.as_str())
        .bind(row.process.as_str())
        .bind(row.release.to_string())
        .bind(signed(row.peak.0))
        .bind(row.too_small.map(|size| signed(size.0)))
        .bind(signed(row.last_ms))
        .execute(&mut *db)
        .await?;
    let sql = "DELETE FROM memory_peaks WHERE app = ?1 AND env = ?2 AND process = ?3
        AND release IN (SELECT release FROM memory_peaks
            WHERE app = ?1 AND env = ?2 AND process = ?3
            ORDER BY last_ms DESC LIMIT -1 OFFSET ?4)";
    let query = sqlx::query(sql).bind(row.app.as_str()).bind(row.env.as_str());
    query.bind(row.process.as_str()).bind(RELEASES_KEPT).execute(db).await?;
    Ok(())
}

/// What is known of an application in an environment, the latest measurement first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn of(
    db: &mut SqliteConnection,
    app: &AppName,
    env: &EnvName,
) -> Result<Vec<PeakRow>, StoreError> {
    let sql = "SELECT app, env, process, release, peak, too_small, last_ms FROM memory_peaks
        WHERE app = ? AND env = ? ORDER BY last_ms DESC, process, release";
    let query = sqlx::query(sql).bind(app.as_str()).bind(env.as_str());
    query.fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<PeakRow, StoreError> {
    let too_small: Option<i64> = row.try_get(5)?;
    Ok(PeakRow {
        app: text(row, 0, "memory_peaks.app")?,
        env: text(row, 1, "memory_peaks.env")?,
        process: text(row, 2, "memory_peaks.process")?,
        release: text(row, 3, "memory_peaks.release")?,
        peak: ByteSize(number(row, 4, "memory_peaks.peak")?),
        too_small: too_small.map(|size| ByteSize(size.cast_unsigned())),
        last_ms: number(row, 6, "memory_peaks.last_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    fn row(release: u8, mib: u64, too_small: Option<u64>, last_ms: u64) -> PeakRow {
        PeakRow {
            app: AppName::parse("hello").unwrap(),
            env: EnvName::parse("prod").unwrap(),
            process: ProcessName::parse("web").unwrap(),
            release: ReleaseId::of(&[release]),
            peak: ByteSize::mib(mib),
            too_small: too_small.map(ByteSize::mib),
            last_ms,
        }
    }

    async fn after(rows: &[PeakRow]) -> Vec<PeakRow> {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        let mut db = database.write().await.unwrap();
        for row in rows {
            raise(&mut db, row).await.unwrap();
        }
        let found = of(&mut db, &rows[0].app, &rows[0].env).await.unwrap();
        db.commit().await.unwrap();
        found
    }

    #[tokio::test]
    async fn a_peak_only_rises_and_a_limit_that_was_too_small_is_remembered() {
        let rows = [row(1, 30, None, 1), row(1, 20, Some(16), 3), row(1, 25, None, 2)];
        assert_eq!(after(&rows).await, [row(1, 30, Some(16), 3)]);
        assert_eq!(after(&rows[..1]).await, [row(1, 30, None, 1)]);
    }

    #[tokio::test]
    async fn the_releases_measured_longest_ago_are_forgotten() {
        let rows: Vec<_> = (0..25).map(|n| row(n, 1, None, u64::from(n))).collect();
        let kept: Vec<_> = after(&rows).await.iter().map(|row| row.last_ms).collect();
        assert_eq!(kept, [24, 23, 22, 21, 20, 19, 18, 17, 16, 15]);
    }
}
