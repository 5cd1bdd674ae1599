//! Which layers of an image an engine has already.
//!
//! Docker's own image store knows a layer by all that lies below it, and reads a layer of an archive
//! only if it does not know it. containerd's store, which a Docker Engine may have instead, wants all
//! of them. The two are told apart by what they call an image.

use super::REPOSITORY;
use crate::connection::SOON;
use crate::inner::Inner;
use crate::trouble::Trouble;
use bollard::query_parameters::ListImagesOptionsBuilder;
use kiln_image::{Error, Store};
use kiln_names::Digest;
use std::collections::{HashMap, HashSet};

/// The most images that are looked at.
const MOST: usize = 64;

/// Another image of Kiln's that begins with the same layers.
struct Relative {
    digest: Digest,
    /// What Docker's own store calls it.
    config: Digest,
    shared: Vec<Digest>,
}

/// The layers that need not be sent. None where that is not sure.
pub(super) async fn there(inner: &Inner, image: Digest) -> HashSet<Digest> {
    find(inner, image).await.unwrap_or_else(|trouble| {
        tracing::debug!(%image, error = trouble.words(), "sends all of an image");
        HashSet::new()
    })
}

async fn find(inner: &Inner, image: Digest) -> Result<HashSet<Digest>, Trouble> {
    let known = images(inner).await?;
    let store = inner.settings.images.clone();
    let relative = tokio::task::spawn_blocking(move || relative(&store, image, &known)).await;
    let Ok(Ok(Some((relative, rest)))) = relative else { return Ok(HashSet::new()) };
    if !has(inner, &relative).await? {
        return Ok(HashSet::new());
    }
    // One that comes again further up is another to the engine there.
    Ok(relative.shared.into_iter().filter(|layer| !rest.contains(layer)).collect())
}

/// The images of Kiln's that the engine has.
async fn images(inner: &Inner) -> Result<Vec<Digest>, Trouble> {
    let filters = HashMap::from([("reference", vec![REPOSITORY])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let list = |docker: bollard::Docker| async move { docker.list_images(Some(options)).await };
    let images = inner.connection.ask(SOON, list).await?;
    let tags = images.into_iter().flat_map(|image| image.repo_tags);
    let digest = |tag: String| {
        let hex = tag.strip_prefix(REPOSITORY)?.strip_prefix(':')?.to_owned();
        Digest::parse(&format!("sha256:{hex}")).ok()
    };
    Ok(tags.filter_map(digest).take(MOST).collect())
}

/// The one of them that shares the most layers from below, and the layers that it does not share.
fn relative(
    store: &Store,
    image: Digest,
    known: &[Digest],
) -> Result<Option<(Relative, HashSet<Digest>)>, Error> {
    let layers = |digest: &Digest| -> Result<Vec<Digest>, Error> {
        Ok(store.image(digest)?.layers.iter().map(|layer| layer.diff_id).collect())
    };
    let own = layers(&image)?;
    // What this store has no more cannot be compared.
    let others = known.iter().filter_map(|digest| Some((*digest, layers(digest).ok()?)));
    let shared = others.map(|(digest, other)| {
        let alike = own.iter().zip(&other).take_while(|(own, other)| own == other).count();
        (alike, digest)
    });
    let Some((alike @ 1.., digest)) = shared.max() else { return Ok(None) };
    let Some(config) = store.parts(&digest)?.first().copied() else { return Ok(None) };
    let (shared, rest) = own.split_at(alike);
    let relative = Relative { digest, config, shared: shared.to_vec() };
    Ok(Some((relative, rest.iter().copied().collect())))
}

/// Whether the engine's own image store has it, with those layers.
async fn has(inner: &Inner, relative: &Relative) -> Result<bool, Trouble> {
    let name = format!("{REPOSITORY}:{}", relative.digest.hex());
    let inspect = |docker: bollard::Docker| async move { docker.inspect_image(&name).await };
    let found = inner.connection.ask(SOON, inspect).await?;
    let layers = found.root_fs.and_then(|root| root.layers).unwrap_or_default();
    let shared = relative.shared.iter().map(ToString::to_string);
    Ok(found.id == Some(relative.config.to_string())
        && layers.len() >= relative.shared.len()
        && layers.into_iter().zip(shared).all(|(found, shared)| found == shared))
}
