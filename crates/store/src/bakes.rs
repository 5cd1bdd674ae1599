//! Bases, and what bakes need not do again: the layers of their steps and what they found out.

use crate::audit::{self, By};
use crate::column::{json, number, signed, text, to_json};
use crate::{StoreError, Write};
use kiln_names::{BaseName, Digest};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// A base: the name and the image it stands for now.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseRow {
    /// The name.
    pub name: BaseName,
    /// The image.
    pub digest: Digest,
    /// What the image was made from.
    pub key: Digest,
    /// Where that came from.
    pub provenance: Value,
    /// When it was baked, in milliseconds since 1970.
    pub created_ms: u64,
}

/// The layer that a step left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedLayer {
    /// The layer.
    pub diff_id: Digest,
    /// The size of its files.
    pub bytes: u64,
}

/// Lets a base's name stand for an image, which must be known, whatever it stood for before.
///
/// # Errors
/// When the database refuses.
pub async fn set_base(db: &mut Write, base: &BaseRow, by: &By) -> Result<(), StoreError> {
    let sql = "INSERT INTO bases (name, digest, key, provenance, created_ms)
        VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest,
        key = excluded.key, provenance = excluded.provenance, created_ms = excluded.created_ms";
    sqlx::query(sql)
        .bind(base.name.as_str())
        .bind(base.digest.to_string())
        .bind(base.key.to_string())
        .bind(to_json(&base.provenance))
        .bind(signed(base.created_ms))
        .execute(&mut **db)
        .await?;
    let what = json!({"did": "bake base", "base": base.name, "image": base.digest,
        "provenance": base.provenance});
    audit::record(db, by, &what).await
}

/// One base.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn base(
    db: &mut SqliteConnection,
    name: &BaseName,
) -> Result<Option<BaseRow>, StoreError> {
    let sql = "SELECT name, digest, key, provenance, created_ms FROM bases WHERE name = ?";
    let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(db).await?;
    row.as_ref().map(base_row).transpose()
}

/// All bases by name.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn bases(db: &mut SqliteConnection) -> Result<Vec<BaseRow>, StoreError> {
    let sql = "SELECT name, digest, key, provenance, created_ms FROM bases ORDER BY name";
    sqlx::query(sql).fetch_all(db).await?.iter().map(base_row).collect()
}

/// The layer that a step with this key left, and when that was last of use.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn cached_layer(
    db: &mut SqliteConnection,
    key: &Digest,
) -> Result<Option<(CachedLayer, u64)>, StoreError> {
    let sql = "SELECT diff_id, bytes, used_ms FROM bake_layers WHERE key = ?";
    let row = sqlx::query(sql).bind(key.to_string()).fetch_optional(db).await?;
    row.map(|row| {
        let diff_id = text(&row, 0, "bake_layers.diff_id")?;
        let bytes = number(&row, 1, "bake_layers.bytes")?;
        Ok((CachedLayer { diff_id, bytes }, number(&row, 2, "bake_layers.used_ms")?))
    })
    .transpose()
}

/// Notes the layer that a step left, or that it was of use again.
///
/// # Errors
/// When the database refuses.
pub async fn keep_layer(
    db: &mut Write,
    key: &Digest,
    layer: CachedLayer,
    now_ms: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO bake_layers (key, diff_id, bytes, used_ms)
        VALUES (?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(key.to_string())
        .bind(layer.diff_id.to_string())
        .bind(signed(layer.bytes))
        .bind(signed(now_ms))
        .execute(&mut **db)
        .await?;
    Ok(())
}

/// Forgets the layers of steps that were of no use since `before_ms`; says how many.
///
/// # Errors
/// When the database refuses.
pub async fn forget_layers(db: &mut Write, before_ms: u64) -> Result<u64, StoreError> {
    let query = sqlx::query("DELETE FROM bake_layers WHERE used_ms < ?").bind(signed(before_ms));
    Ok(query.execute(&mut **db).await?.rows_affected())
}

/// What a bake found out under this key.
///
/// # Errors
/// When the database refuses or holds what cannot be read.
pub async fn finding(db: &mut SqliteConnection, key: &Digest) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT found FROM bake_findings WHERE key = ?";
    let row = sqlx::query(sql).bind(key.to_string()).fetch_optional(db).await?;
    row.map(|row| json(&row, 0, "bake_findings.found")).transpose()
}

/// Keeps what a bake found out, in place of what it found before.
///
/// # Errors
/// When the database refuses.
pub async fn keep_finding(
    db: &mut Write,
    key: &Digest,
    found: &Value,
    now_ms: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO bake_findings (key, found, found_ms) VALUES (?, ?, ?)";
    let query = sqlx::query(sql).bind(key.to_string()).bind(to_json(found)).bind(signed(now_ms));
    query.execute(&mut **db).await?;
    Ok(())
}

fn base_row(row: &SqliteRow) -> Result<BaseRow, StoreError> {
    Ok(BaseRow {
        name: text(row, 0, "bases.name")?,
        digest: text(row, 1, "bases.digest")?,
        key: text(row, 2, "bases.key")?,
        provenance: json(row, 3, "bases.provenance")?,
        created_ms: number(row, 4, "bases.created_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;
    use crate::images::{ImageRow, add_image, images, references, remove_image};

    fn by() -> By {
        By { who: "ann".to_owned(), at_ms: 7 }
    }

    fn image_of(content: &str) -> ImageRow {
        let digest = Digest::of(content.as_bytes());
        ImageRow { digest, app: None, base: None, created_ms: 5, facts: json!({}) }
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("kiln.db")).await.unwrap();
        (dir, db)
    }

    #[tokio::test]
    async fn a_base_that_is_baked_again_stands_for_the_new_image() {
        let (_dir, db) = open().await;
        let mut write = db.write().await.unwrap();
        let name = BaseName::parse("debian-12").unwrap();
        for content in ["one", "two"] {
            let digest = image_of(content).digest;
            add_image(&mut write, &image_of(content)).await.unwrap();
            let key = Digest::of(b"tar");
            let provenance = json!({"rootfs": content});
            let base = BaseRow { name: name.clone(), digest, key, provenance, created_ms: 1 };
            set_base(&mut write, &base, &by()).await.unwrap();
            assert_eq!(super::base(&mut write, &name).await.unwrap(), Some(base));
        }
        assert_eq!(bases(&mut write).await.unwrap().len(), 1);
        assert_eq!(images(&mut write).await.unwrap().len(), 2);
        let named = remove_image(&mut write, &image_of("two").digest, &by()).await;
        assert!(named.is_err(), "a base's image stays");
        assert!(remove_image(&mut write, &image_of("one").digest, &by()).await.unwrap());
    }

    #[tokio::test]
    async fn the_bake_cache_keeps_what_was_of_use_lately() {
        let (_dir, db) = open().await;
        let mut write = db.write().await.unwrap();
        let layer = CachedLayer { diff_id: Digest::of(b"layer"), bytes: 12 };
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        keep_layer(&mut write, &old, layer, 10).await.unwrap();
        keep_layer(&mut write, &new, layer, 10).await.unwrap();
        keep_layer(&mut write, &new, layer, 20).await.unwrap();
        assert_eq!(forget_layers(&mut write, 15).await.unwrap(), 1);
        assert_eq!(cached_layer(&mut write, &old).await.unwrap(), None);
        assert_eq!(cached_layer(&mut write, &new).await.unwrap(), Some((layer, 20)));
        assert_eq!(references(&mut write).await.unwrap().layers, [layer.diff_id]);

        keep_finding(&mut write, &old, &json!(["a=1"]), 10).await.unwrap();
        keep_finding(&mut write, &old, &json!(["a=2"]), 20).await.unwrap();
        assert_eq!(finding(&mut write, &old).await.unwrap(), Some(json!(["a=2"])));
    }
}
