//! Bakes, their files, and bases.

use crate::{Client, ClientError, Events};
use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt as _};
use http::Method;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use kiln_names::{BaseName, Digest};
use kiln_protocol::bake::{BakeEvent, Base, BaseEvent, NewBake, NewBase};
use kiln_protocol::paths::{self, fill};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// Bakes. Fails with `context-missing` while the server lacks files of the context.
    pub async fn bake(&self, bake: &NewBake) -> Result<Events<BakeEvent>, ClientError> {
        self.begin(paths::BAKES, bake).await
    }

    /// Sends content of `size` bytes, named by its digest.
    pub async fn put_blob<S>(
        &self,
        digest: &Digest,
        size: u64,
        content: S,
    ) -> Result<(), ClientError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        let body = StreamBody::new(content.map_ok(Frame::data)).boxed();
        self.upload(&fill(paths::BLOB, &[&digest.to_string()]), size, body).await
    }

    /// Bakes a base.
    pub async fn bake_base(
        &self,
        name: &BaseName,
        base: &NewBase,
    ) -> Result<Events<BaseEvent>, ClientError> {
        self.begin(&fill(paths::BASE, &[name.as_str()]), base).await
    }

    /// All bases, by name.
    pub async fn bases(&self) -> Result<Vec<Base>, ClientError> {
        self.ask(Method::GET, paths::BASES).await
    }
}
