//! Images: a configuration and layers, named by the digest of their manifest.

use super::{Layer, Store};
use crate::config::ImageConfig;
use crate::document::{CONFIGURATION, Configuration, Descriptor, LAYER, MANIFEST, Manifest};
use crate::error::Error;
use crate::limits::MAX_LAYERS;
use kiln_names::Digest;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name: the digest of its manifest.
    pub digest: Digest,
    /// How to start it.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The same as its manifest names them: by the digests of what may be compressed.
    pub blobs: Vec<Digest>,
}

/// What the beginning of a digest stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// No image.
    None,
    /// Exactly this one.
    One(Digest),
    /// Any of these, sorted.
    Ambiguous(Vec<Digest>),
}

impl Store {
    /// Records an image of these layers, the lowest first, and names it. The same settings and layers
    /// are the same image.
    ///
    /// # Errors
    /// [`Error::Missing`] for a layer that is not in the store; [`Error::TooManyLayers`] and
    /// [`Error::TooLarge`] for an image that could not be used; [`Error::Io`].
    pub fn put_image(&self, config: ImageConfig, layers: &[Digest]) -> Result<Digest, Error> {
        if layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers { count: layers.len() });
        }
        let layer = |diff_id: &Digest| {
            let size = self.blob_size("layer", diff_id)?;
            Ok(Descriptor { media_type: LAYER.into(), digest: *diff_id, size })
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST.into(),
            config: self.put_json(
                "configuration",
                CONFIGURATION,
                &Configuration::new(config, layers),
            )?,
            layers: layers.iter().map(layer).collect::<Result<_, Error>>()?,
        };
        self.put_manifest(&manifest)
    }

    /// Records the image of a manifest whose parts are stored.
    pub(crate) fn put_manifest(&self, manifest: &Manifest) -> Result<Digest, Error> {
        let image = self.put_json("manifest", MANIFEST, manifest)?;
        let digest = image.digest;
        self.enter(image)?;
        Ok(digest)
    }

    /// The image of that digest.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Mismatch`] for damaged documents; [`Error::Malformed`] and
    /// [`Error::TooLarge`] for what is none; [`Error::TooManyLayers`]; [`Error::Unsupported`] for
    /// an image whose documents do not speak of the same layers.
    pub fn image(&self, digest: &Digest) -> Result<Image, Error> {
        let manifest = self.manifest(digest)?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers { count: manifest.layers.len() });
        }
        let configuration: Configuration = self.json("configuration", &manifest.config.digest)?;
        let diff_ids = &configuration.rootfs.diff_ids;
        if manifest.layers.len() != diff_ids.len() {
            let reason = "has another number of layers in its manifest than in its configuration";
            return Err(Error::Unsupported { digest: *digest, reason });
        }
        let layers = manifest.layers.iter().zip(diff_ids).map(|(stored, diff_id)| {
            // A plain archive is its own blob; a compressed one has been unpacked into another.
            if stored.digest == *diff_id {
                return Ok(Layer { diff_id: *diff_id, bytes: stored.size });
            }
            self.layer(diff_id)
        });
        let layers = layers.collect::<Result<_, Error>>()?;
        let blobs = manifest.layers.iter().map(|stored| stored.digest).collect();
        Ok(Image { digest: *digest, config: configuration.into_config(), layers, blobs })
    }

    /// The manifest of an image, byte for byte, and its media type.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Mismatch`]; [`Error::Malformed`].
    pub fn manifest_text(&self, digest: &Digest) -> Result<(Vec<u8>, String), Error> {
        let text = self.document("image", digest)?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|source| Error::Malformed { what: format!("image {digest}"), source })?;
        Ok((text, manifest.kind().to_owned()))
    }

    /// All that the manifest of an image names: its configuration and its layers.
    ///
    /// # Errors
    /// As [`Store::manifest_text`].
    pub fn parts(&self, digest: &Digest) -> Result<Vec<Digest>, Error> {
        let manifest = self.manifest(digest)?;
        let layers = manifest.layers.iter().map(|layer| layer.digest);
        Ok(std::iter::once(manifest.config.digest).chain(layers).collect())
    }

    /// Takes an image into the index whose documents and layers are stored.
    pub(crate) fn enter(&self, image: Descriptor) -> Result<(), Error> {
        self.change_index(|index| {
            let new = !index.manifests.contains(&image);
            if new {
                index.manifests.push(image);
            }
            new
        })
    }

    /// The unpacked layers of an image, the top one first: what overlayfs calls its lower directories.
    ///
    /// # Errors
    /// As [`Store::image`] and [`Store::layer_dir`].
    pub fn lower_dirs(&self, digest: &Digest) -> Result<Vec<PathBuf>, Error> {
        let layers = self.image(digest)?.layers;
        self.layer_dirs(layers.iter().map(|layer| &layer.diff_id))
    }

    /// The unpacked layers, the top one first, of layers given the lowest first.
    ///
    /// A layer that occurs twice, as of two steps that left nothing, is there once: overlayfs refuses
    /// a directory twice, and all that the lower one holds is hidden by the upper one.
    ///
    /// # Errors
    /// As [`Store::layer_dir`].
    pub fn layer_dirs<'d>(
        &self,
        layers: impl DoubleEndedIterator<Item = &'d Digest>,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut seen = BTreeSet::new();
        let once = layers.rev().filter(|diff_id| seen.insert(**diff_id));
        once.map(|diff_id| self.layer_dir(diff_id)).collect()
    }

    /// Where the layers of an image are unpacked, or would be, the top one first: what
    /// [`Store::layer_dirs`] names, unpacking nothing.
    #[must_use]
    pub fn lower_paths(&self, image: &Image) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        let once = image.layers.iter().rev().filter(|layer| seen.insert(layer.diff_id));
        once.map(|layer| self.places_of(&layer.diff_id).1).collect()
    }

    /// All images, sorted by digest.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`].
    pub fn images(&self) -> Result<Vec<Digest>, Error> {
        Ok(self.read_index()?.manifests.into_iter().map(|image| image.digest).collect())
    }

    /// Finds the image whose digest begins with these hexadecimal digits, after `sha256:` or alone.
    ///
    /// # Errors
    /// As [`Store::images`].
    pub fn resolve_prefix(&self, prefix: &str) -> Result<Resolved, Error> {
        let prefix = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        let mut found = self.images()?;
        found.retain(|digest| !prefix.is_empty() && digest.hex().starts_with(prefix));
        Ok(match *found.as_slice() {
            [] => Resolved::None,
            [one] => Resolved::One(one),
            _ => Resolved::Ambiguous(found),
        })
    }

    /// Forgets an image; says whether it was there. What it was made of goes with [`Store::gc`].
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`].
    pub fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        let mut removed = false;
        self.change_index(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|image| image.digest != *digest);
            removed = index.manifests.len() < before;
            removed
        })?;
        Ok(removed)
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Manifest, Error> {
        self.json("image", digest)
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        digest: &Digest,
    ) -> Result<T, Error> {
        let bytes = self.document(what, digest)?;
        let malformed = |source| Error::Malformed { what: format!("{what} {digest}"), source };
        serde_json::from_slice(&bytes).map_err(malformed)
    }

    fn put_json(
        &self,
        what: &'static str,
        kind: &str,
        document: &impl serde::Serialize,
    ) -> Result<Descriptor, Error> {
        let json = serde_json::to_vec(document).expect("documents are plain data");
        let digest = self.put_document(what, &json)?;
        Ok(Descriptor { media_type: kind.into(), digest, size: json.len() as u64 })
    }
}
