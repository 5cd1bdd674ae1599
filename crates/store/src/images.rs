//! Images and the versions that name them.
//!
//! The content itself is in the image store; this module knows digests.

use crate::audit::{self, By};
use crate::column::{json, number, optional, signed, text, to_json};
use crate::{StoreError, Write};
use kiln_names::{AppName, Digest, Version};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// An image as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRow {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The application it was first baked for; none for a base.
    pub app: Option<AppName>,
    /// The image it was baked on.
    pub base: Option<Digest>,
    /// When it was first baked, in milliseconds since 1970.
    pub created_ms: u64,
    /// What is worth knowing without opening it.
    pub facts: Value,
}

/// A name for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// The application.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// The image.
    pub digest: Digest,
    /// When it was named, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What came of naming an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The version is new.
    Added,
    /// The version names the same image already.
    AlreadySo,
    /// The version names another image.
    Taken(Digest),
}

/// What of the image store the database refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Manifests of images.
    pub images: Vec<Digest>,
    /// Layers of steps, by diff id.
    pub layers: Vec<Digest>,
}

/// Adds an image unless it is known.
///
/// # Errors
/// When the database refuses.
pub async fn add_image(db: &mut Write, image: &ImageRow) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO images (digest, app, base, created_ms, facts)
        VALUES (?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(image.digest.to_string())
        .bind(image.app.as_ref().map(AppName::as_str))
        .bind(image.base.map(|digest| digest.to_string()))
        .bind(signed(image.created_ms))
        .bind(to_json(&image.facts))
        .execute(&mut **db)
        .await?;
    Ok(())
}

/// One image.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn image(
    db: &mut SqliteConnection,
    digest: &Digest,
) -> Result<Option<ImageRow>, StoreError> {
    let sql = "SELECT digest, app, base, created_ms, facts FROM images WHERE digest = ?";
    let row = sqlx::query(sql).bind(digest.to_string()).fetch_optional(db).await?;
    row.as_ref().map(image_row).transpose()
}

/// All images, the newest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn images(db: &mut SqliteConnection) -> Result<Vec<ImageRow>, StoreError> {
    let sql = "SELECT digest, app, base, created_ms, facts FROM images
        ORDER BY created_ms DESC, digest";
    sqlx::query(sql).fetch_all(db).await?.iter().map(image_row).collect()
}

/// The images that came from elsewhere and have no name, the newest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn unnamed_imports(db: &mut SqliteConnection) -> Result<Vec<ImageRow>, StoreError> {
    let sql = "SELECT digest, app, base, created_ms, facts FROM images
        WHERE facts ->> 'imported' AND digest NOT IN (SELECT digest FROM versions)
        ORDER BY created_ms DESC, digest";
    sqlx::query(sql).fetch_all(db).await?.iter().map(image_row).collect()
}

/// The images whose digest begins with these hexadecimal digits, at most `limit`.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn images_by_prefix(
    db: &mut SqliteConnection,
    hex: &str,
    limit: u32,
) -> Result<Vec<Digest>, StoreError> {
    // `g` sorts after every hexadecimal digit that may follow.
    let sql = "SELECT digest FROM images WHERE digest >= ? AND digest < ?
        ORDER BY digest LIMIT ?";
    let (from, to) = (format!("sha256:{hex}"), format!("sha256:{hex}g"));
    let rows = sqlx::query(sql).bind(from).bind(to).bind(limit).fetch_all(db).await?;
    rows.iter().map(|row| text(row, 0, "images.digest")).collect()
}

/// Forgets an image and the versions that name it; false when it is not known.
///
/// # Errors
/// When the database refuses, and when a base names it.
pub async fn remove_image(db: &mut Write, digest: &Digest, by: &By) -> Result<bool, StoreError> {
    let digest = digest.to_string();
    sqlx::query("DELETE FROM versions WHERE digest = ?").bind(&digest).execute(&mut **db).await?;
    let query = sqlx::query("DELETE FROM images WHERE digest = ?").bind(&digest);
    let found = query.execute(&mut **db).await?.rows_affected() == 1;
    if found {
        audit::record(db, by, &json!({"did": "remove image", "image": digest})).await?;
    }
    Ok(found)
}

/// Names an image, which must be known. A version is set once.
///
/// # Errors
/// When the database refuses.
pub async fn add_version(
    db: &mut Write,
    version: &VersionRow,
    by: &By,
) -> Result<Named, StoreError> {
    if let Some(known) = self::version(db, &version.app, &version.version).await? {
        let same = known.digest == version.digest;
        return Ok(if same { Named::AlreadySo } else { Named::Taken(known.digest) });
    }
    let sql = "INSERT INTO versions (app, version, digest, created_ms) VALUES (?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(version.app.as_str())
        .bind(version.version.as_str())
        .bind(version.digest.to_string())
        .bind(signed(version.created_ms))
        .execute(&mut **db)
        .await?;
    let what = json!({"did": "bake", "app": version.app, "version": version.version,
        "image": version.digest});
    audit::record(db, by, &what).await?;
    Ok(Named::Added)
}

/// What a version names.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn version(
    db: &mut SqliteConnection,
    app: &AppName,
    version: &Version,
) -> Result<Option<VersionRow>, StoreError> {
    let sql = "SELECT app, version, digest, created_ms FROM versions
        WHERE app = ? AND version = ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(version.as_str());
    query.fetch_optional(db).await?.as_ref().map(version_row).transpose()
}

/// The versions of an application or of all, the newest first, at most `limit`.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn versions(
    db: &mut SqliteConnection,
    app: Option<&AppName>,
    limit: u32,
) -> Result<Vec<VersionRow>, StoreError> {
    let all = "SELECT app, version, digest, created_ms FROM versions ORDER BY id DESC LIMIT ?";
    let of_one = "SELECT app, version, digest, created_ms FROM versions
        WHERE app = ? ORDER BY id DESC LIMIT ?";
    let query = match app {
        None => sqlx::query(all),
        Some(app) => sqlx::query(of_one).bind(app.as_str()),
    };
    query.bind(limit).fetch_all(db).await?.iter().map(version_row).collect()
}

/// The versions of an application that match a `GLOB` pattern, the newest first, at most `limit`.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn versions_like(
    db: &mut SqliteConnection,
    app: &AppName,
    pattern: &str,
    limit: u32,
) -> Result<Vec<VersionRow>, StoreError> {
    let sql = "SELECT app, version, digest, created_ms FROM versions
        WHERE app = ? AND version GLOB ? ORDER BY id DESC LIMIT ?";
    let query = sqlx::query(sql).bind(app.as_str()).bind(pattern).bind(limit);
    query.fetch_all(db).await?.iter().map(version_row).collect()
}

/// The versions that name an image, the newest first.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn versions_of(
    db: &mut SqliteConnection,
    digest: &Digest,
) -> Result<Vec<VersionRow>, StoreError> {
    let sql = "SELECT app, version, digest, created_ms FROM versions
        WHERE digest = ? ORDER BY id DESC";
    let rows = sqlx::query(sql).bind(digest.to_string()).fetch_all(db).await?;
    rows.iter().map(version_row).collect()
}

/// The images made before `before_ms` that nobody can come back to: no group runs them, no rollback
/// or deployment in progress leads to them, no base is one of them, and none is the newest of its
/// application.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn unneeded(
    db: &mut SqliteConnection,
    before_ms: u64,
) -> Result<Vec<Digest>, StoreError> {
    let sql = "WITH RECURSIVE
        back_to (number) AS (
            SELECT max(number) FROM activations GROUP BY app, env
            UNION SELECT back FROM activations JOIN back_to USING (number)
                WHERE back IS NOT NULL),
        needed (release) AS (
            SELECT release FROM activations JOIN back_to USING (number)
            UNION SELECT release FROM server_groups WHERE state <> 'gone'
            UNION SELECT release FROM deployments WHERE locks = 1)
        SELECT digest FROM images WHERE created_ms < ?
            AND digest NOT IN (SELECT canonical ->> 'image'
                FROM releases JOIN needed ON releases.id = needed.release)
            AND digest NOT IN (SELECT digest FROM bases)
            AND digest NOT IN (SELECT digest FROM versions
                WHERE id IN (SELECT max(id) FROM versions GROUP BY app))";
    let rows = sqlx::query(sql).bind(signed(before_ms)).fetch_all(db).await?;
    rows.iter().map(|row| text(row, 0, "images.digest")).collect()
}

/// What garbage collection of the image store has to spare on the database's account.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn references(db: &mut SqliteConnection) -> Result<References, StoreError> {
    let images = sqlx::query("SELECT digest FROM images").fetch_all(&mut *db).await?;
    let layers = sqlx::query("SELECT DISTINCT diff_id FROM bake_layers").fetch_all(db).await?;
    Ok(References {
        images: images.iter().map(|r| text(r, 0, "images.digest")).collect::<Result<_, _>>()?,
        layers: layers
            .iter()
            .map(|r| text(r, 0, "bake_layers.diff_id"))
            .collect::<Result<_, _>>()?,
    })
}

fn image_row(row: &SqliteRow) -> Result<ImageRow, StoreError> {
    Ok(ImageRow {
        digest: text(row, 0, "images.digest")?,
        app: optional(row, 1, "images.app")?,
        base: optional(row, 2, "images.base")?,
        created_ms: number(row, 3, "images.created_ms")?,
        facts: json(row, 4, "images.facts")?,
    })
}

fn version_row(row: &SqliteRow) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        app: text(row, 0, "versions.app")?,
        version: text(row, 1, "versions.version")?,
        digest: text(row, 2, "versions.digest")?,
        created_ms: number(row, 3, "versions.created_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    fn by() -> By {
        By { who: "ann".to_owned(), at_ms: 7 }
    }

    fn image_of(content: &str) -> ImageRow {
        let app = Some(AppName::parse("hello").unwrap());
        let digest = Digest::of(content.as_bytes());
        ImageRow { digest, app, base: None, created_ms: 5, facts: json!({"layers": []}) }
    }

    fn version_of(text: &str, digest: Digest) -> VersionRow {
        let (app, version) = (AppName::parse("hello").unwrap(), Version::parse(text).unwrap());
        VersionRow { app, version, digest, created_ms: 6 }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        (dir, db)
    }

    #[tokio::test]
    async fn a_version_is_set_once() {
        let (_dir, db) = open().await;
        let (one, two) = (image_of("one"), image_of("two"));
        let mut write = db.write().await.unwrap();
        add_image(&mut write, &one).await.unwrap();
        add_image(&mut write, &two).await.unwrap();
        let named = version_of("1.0", one.digest);
        assert_eq!(add_version(&mut write, &named, &by()).await.unwrap(), Named::Added);
        assert_eq!(add_version(&mut write, &named, &by()).await.unwrap(), Named::AlreadySo);
        let other = version_of("1.0", two.digest);
        let taken = add_version(&mut write, &other, &by()).await.unwrap();
        assert_eq!(taken, Named::Taken(one.digest));
        write.commit().await.unwrap();

        let mut read = db.read().await.unwrap();
        assert_eq!(version(&mut read, &named.app, &named.version).await.unwrap(), Some(named));
        assert_eq!(image(&mut read, &one.digest).await.unwrap(), Some(one));
        assert_eq!(audit::newest(&mut read, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_newest_version_is_the_last_one_named_whatever_its_text() {
        let (_dir, db) = open().await;
        let one = image_of("one");
        let mut write = db.write().await.unwrap();
        add_image(&mut write, &one).await.unwrap();
        for text in ["20261121.9", "20261121.10", "1.0"] {
            add_version(&mut write, &version_of(text, one.digest), &by()).await.unwrap();
        }
        let app = AppName::parse("hello").unwrap();
        let newest = versions(&mut write, Some(&app), 1).await.unwrap();
        assert_eq!(newest[0].version.as_str(), "1.0");
        let dated = versions_like(&mut write, &app, "20261121.[0-9]*", 9).await.unwrap();
        let dated: Vec<_> = dated.iter().map(|row| row.version.as_str()).collect();
        assert_eq!(dated, ["20261121.10", "20261121.9"]);
        assert_eq!(versions_of(&mut write, &one.digest).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn an_image_is_needed_while_a_rollback_leads_to_it() {
        let (_dir, db) = open().await;
        let mut write = db.write().await.unwrap();
        let images = ["first", "second", "left out", "newest"].map(image_of);
        for (image, version) in images.iter().zip(["1", "2", "3", "4"]) {
            add_image(&mut write, image).await.unwrap();
            let named = version_of(version, image.digest);
            add_version(&mut write, &named, &by()).await.unwrap();
        }
        let sql = "INSERT INTO deployments
            (number, id, app, env, verb, who, message, state, locks, started_ms, since_ms)
            VALUES (1, 'd', 'hello', 'prod', 'deploy', '', '', 'completed', 0, 0, 0)";
        sqlx::query(sql).execute(&mut *write).await.unwrap();
        for (release, image, back) in [("r1", 0, None), ("r2", 1, Some(1))] {
            activate(&mut write, release, &images[image].digest, back).await;
        }
        assert_eq!(unneeded(&mut write, 6).await.unwrap(), [images[2].digest]);
        assert!(unneeded(&mut write, 5).await.unwrap().is_empty());
    }

    async fn activate(db: &mut Write, release: &str, image: &Digest, back: Option<i64>) {
        let sql = "INSERT INTO releases (id, app, env, canonical, created_ms)
            VALUES (?, 'hello', 'prod', ?, 0)";
        let canonical = json!({ "image": image }).to_string();
        sqlx::query(sql).bind(release).bind(canonical).execute(&mut **db).await.unwrap();
        let sql = "INSERT INTO activations (app, env, release, back, deployment, settings, at_ms)
            VALUES ('hello', 'prod', ?, ?, 1, '{}', 0)";
        sqlx::query(sql).bind(release).bind(back).execute(&mut **db).await.unwrap();
    }

    #[tokio::test]
    async fn a_prefix_finds_the_images_that_begin_with_it() {
        let (_dir, db) = open().await;
        let one = image_of("one");
        let mut write = db.write().await.unwrap();
        add_image(&mut write, &one).await.unwrap();
        let hex = one.digest.hex();
        assert_eq!(images_by_prefix(&mut write, &hex[..5], 2).await.unwrap(), [one.digest]);
        assert!(images_by_prefix(&mut write, "00000", 2).await.unwrap().is_empty());
    }
}
