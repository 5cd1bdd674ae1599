//! Manifests and blobs, byte for byte as they are stored.

use super::denial::{Denial, Reason};
use super::repository::Repository;
use super::{answer, named};
use crate::app::App;
use crate::handlers::blocking;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::BytesMut;
use futures_util::stream;
use kiln_image::Error;
use kiln_names::Digest;
use std::fs::File;
use std::io::{self, SeekFrom};
use std::ops::Range;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// How much of a blob is read at once.
const PIECE: usize = 256 << 10;

/// The manifest that a tag or a digest stands for.
pub(super) async fn manifest(
    app: &App,
    repository: &Repository,
    reference: &str,
) -> Result<Response, Denial> {
    let unknown = || {
        let message = format!("{repository} has no image {reference:?}");
        Denial::new(Reason::ManifestUnknown, message)
    };
    let wanted = match reference.contains(':') {
        true => Some(digest(reference)?),
        false => None,
    };
    let images = repository.images(app).await?;
    let found = images.into_iter().find(|image| match wanted {
        Some(digest) => image.digest == digest,
        None => image.tag.as_deref() == Some(reference),
    });
    let found = found.ok_or_else(unknown)?.digest;
    let store = app.images.clone();
    let (text, media_type) = blocking(move || store.manifest_text(&found)).await?;
    Ok(answer((named(&found, &media_type), text)))
}

/// A blob of an image of the repository, whole or in part.
pub(super) async fn blob(
    app: &App,
    repository: &Repository,
    reference: &str,
    asked: &HeaderMap,
) -> Result<Response, Denial> {
    let digest = digest(reference)?;
    let images = repository.images(app).await?;
    let store = app.images.clone();
    let opened = blocking(move || {
        for image in images {
            if store.parts(&image.digest)?.contains(&digest) {
                return store.open_blob(&digest).map(Some);
            }
        }
        Ok::<_, Error>(None)
    });
    let message = || format!("no image of {repository} has a blob {digest}");
    let file = opened.await?.ok_or_else(|| Denial::new(Reason::BlobUnknown, message()))?;
    let failed = |error: io::Error| Denial::new(Reason::Unknown, error.to_string());
    let size = file.metadata().map_err(failed)?.len();
    let mut headers = named(&digest, "application/octet-stream");
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, range) = match range(asked, size)? {
        None => (StatusCode::OK, 0..size),
        Some(range) => {
            let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            headers.extend(HeaderValue::try_from(text).ok().map(|v| (header::CONTENT_RANGE, v)));
            (StatusCode::PARTIAL_CONTENT, range)
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    Ok(answer((status, headers, pieces(file, range))))
}

fn digest(text: &str) -> Result<Digest, Denial> {
    Digest::parse(text).map_err(|error| Denial::new(Reason::DigestInvalid, error.to_string()))
}

/// The part of `size` bytes that is asked for: one range of bytes. What else the header may say is
/// passed over, as HTTP allows. (RFC 9110 §14.2)
fn range(asked: &HeaderMap, size: u64) -> Result<Option<Range<u64>>, Denial> {
    let text = asked.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) = text.and_then(|it| it.strip_prefix("bytes=")?.split_once('-')) else {
        return Ok(None);
    };
    let range = match (from.parse::<u64>().ok(), to.parse::<u64>().ok()) {
        (Some(from), Some(to)) if from <= to => from..to.saturating_add(1).min(size),
        (Some(from), None) if to.is_empty() => from..size,
        (None, Some(last)) if from.is_empty() => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    if range.start < range.end {
        return Ok(Some(range));
    }
    let message = format!("the blob has {size} bytes, and none of those asked for");
    Err(Denial::new(Reason::RangeInvalid, message))
}

fn pieces(file: File, range: Range<u64>) -> Body {
    let begin = async move {
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(PIECE);
        file.seek(SeekFrom::Start(range.start)).await?;
        Ok::<_, io::Error>(stream::try_unfold(
            file.take(range.end - range.start),
            |mut file| async move {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await?;
                Ok::<_, io::Error>((read > 0).then(|| (piece.freeze(), file)))
            },
        ))
    };
    Body::from_stream(futures_util::TryStreamExt::try_flatten(stream::once(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Range<u64>>) {
        let asked = [(header::RANGE, HeaderValue::try_from(text).unwrap())].into_iter().collect();
        assert_eq!(range(&asked, 100).unwrap(), expected, "{text}");
    }

    #[test]
    fn one_range_of_bytes_is_understood_and_other_headers_passed_over() {
        check("bytes=0-9", Some(0..10));
        check("bytes=90-", Some(90..100));
        check("bytes=90-500", Some(90..100));
        check("bytes=-10", Some(90..100));
        check("bytes=-500", Some(0..100));
        check("bytes=9-3", None);
        check("bytes=0-1,4-5", None);
        check("lines=0-1", None);
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            let beyond = HeaderValue::try_from(beyond).unwrap();
            let asked = [(header::RANGE, beyond)].into_iter().collect();
            assert!(range(&asked, 100).is_err());
        }
    }
}
