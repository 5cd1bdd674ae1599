//! An image as an archive: written as it is read, its length known before.

use super::bundle::blob_name;
use super::offers::{FULL_NAME, REF_NAME};
use crate::archive::{BLOCK, Kind, Member, Meta, TarWriter, padding};
use crate::document::{Descriptor, INDEX, LAYOUT};
use crate::error::{Context as _, Error};
use crate::hash::Hashing;
use crate::store::Store;
use kiln_names::Digest;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read as _, Write};

/// Who is to read the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExportForm {
    /// Everybody: an OCI layout that also has what `docker load` looks for, as Docker's own has.
    #[default]
    Both,
    /// An OCI layout and nothing else.
    Oci,
    /// Tools that know docker archives alone: plain layers under the names of old.
    Docker,
}

/// What the image is called in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// The repository, such as `hello`.
    pub repository: String,
    /// The tag, such as `3.14`.
    pub tag: String,
}

/// An image about to be written.
#[derive(Debug)]
pub struct Export {
    store: Store,
    members: Vec<(String, Content)>,
}

#[derive(Debug)]
enum Content {
    Directory,
    Text(Vec<u8>),
    Blob(Digest, u64),
}

/// An entry of Docker's `manifest.json`, its members in the order of its own.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// The index of the layout, with what the image is called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    image: &'a Descriptor,
    platform: serde_json::Value,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Store {
    /// Prepares an archive of an image. The same image with the same name is the same bytes.
    ///
    /// # Errors
    /// As [`Store::image`], and [`Error::Missing`] for a layer that is not there.
    pub fn export(
        &self,
        digest: &Digest,
        name: Option<&ImageName>,
        form: ExportForm,
    ) -> Result<Export, Error> {
        let mut export = Export { store: self.clone(), members: Vec::new() };
        match form {
            ExportForm::Docker => export.docker(digest, name)?,
            ExportForm::Oci => export.layout(digest, name, false)?,
            ExportForm::Both => export.layout(digest, name, true)?,
        }
        Ok(export)
    }
}

impl Export {
    /// The same without the content of some blobs, for a reader that has them: what names them stays.
    #[must_use]
    pub fn without(mut self, blobs: &HashSet<Digest>) -> Self {
        let there = |content: &Content| matches!(content, Content::Blob(digest, _) if blobs.contains(digest));
        self.members.retain(|(_, content)| !there(content));
        self
    }

    /// The length of the archive.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let length = |(_, content): &(String, Content)| {
            let size = content.size();
            BLOCK + size + padding(size)
        };
        self.members.iter().map(length).sum::<u64>() + 2 * BLOCK
    }

    /// Writes the archive, and checks every blob while it passes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a damaged blob, most of which is written by then; [`Error::Io`].
    pub fn write(&self, to: impl Write) -> Result<(), Error> {
        let mut tar = TarWriter::new(to);
        for (path, content) in &self.members {
            let kind = match content {
                Content::Directory => Kind::Directory,
                _ => Kind::File { size: content.size() },
            };
            let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
            let meta = Meta { mode, ..Meta::default() };
            let member = Member { path: path.clone().into_bytes(), kind, meta };
            tar.member(&member).on("write", path.as_ref())?;
            match content {
                Content::Directory => {}
                Content::Text(text) => {
                    let mut text = text.as_slice();
                    let size = text.len() as u64;
                    tar.content(&mut text, size).on("write", path.as_ref())?;
                }
                Content::Blob(digest, size) => self.blob(&mut tar, path, digest, *size)?,
            }
        }
        tar.finish().on("write", "archive".as_ref()).map(drop)
    }

    fn blob<W: Write>(
        &self,
        tar: &mut TarWriter<W>,
        path: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<(), Error> {
        let mut blob = Hashing::new(self.store.open_blob(digest)?.take(size));
        tar.content(&mut blob, size).on("write", path.as_ref())?;
        match blob.finish().1 {
            found if found == *digest => Ok(()),
            found => Err(Error::Mismatch { expected: *digest, found }),
        }
    }

    fn layout(
        &mut self,
        digest: &Digest,
        name: Option<&ImageName>,
        for_docker: bool,
    ) -> Result<(), Error> {
        let (text, media_type) = self.store.manifest_text(digest)?;
        let image = self.store.image(digest)?;
        let parts = self.store.parts(digest)?;
        let descriptor = Descriptor { media_type, digest: *digest, size: text.len() as u64 };
        let platform = json!({"architecture": image.config.architecture, "os": "linux"});
        let annotations = name.map(ImageName::annotations).unwrap_or_default();
        let manifests = [Entry { image: &descriptor, platform, annotations }];
        self.text("oci-layout", LAYOUT.to_vec());
        self.json("index.json", &Index { schema_version: 2, media_type: INDEX, manifests });
        if for_docker {
            let [config, layers @ ..] = parts.as_slice() else {
                unreachable!("a manifest names its configuration first")
            };
            let layers = layers.iter().map(blob_name).collect();
            self.saved(name, blob_name(config), layers);
        }
        self.directory("blobs");
        self.directory("blobs/sha256");
        let mut seen = BTreeSet::new();
        for digest in std::iter::once(*digest).chain(parts).filter(|digest| seen.insert(*digest)) {
            self.stored(blob_name(&digest), &digest)?;
        }
        Ok(())
    }

    fn docker(&mut self, digest: &Digest, name: Option<&ImageName>) -> Result<(), Error> {
        let image = self.store.image(digest)?;
        let config = self.store.manifest(digest)?.config.digest;
        let plain = |diff_id: &Digest| format!("{}.tar", diff_id.hex());
        let layers = image.layers.iter().map(|layer| plain(&layer.diff_id)).collect();
        let config_name = format!("{}.json", config.hex());
        self.saved(name, config_name.clone(), layers);
        self.stored(config_name, &config)?;
        let mut seen = BTreeSet::new();
        for layer in image.layers.iter().filter(|layer| seen.insert(layer.diff_id)) {
            self.stored(plain(&layer.diff_id), &layer.diff_id)?;
        }
        Ok(())
    }

    /// The document that `docker load` begins with.
    fn saved(&mut self, name: Option<&ImageName>, config: String, layers: Vec<String>) {
        let repo_tags = name.map(ToString::to_string).into_iter().collect();
        self.json("manifest.json", &[Saved { config, repo_tags, layers }]);
    }

    fn json(&mut self, name: &str, document: &impl Serialize) {
        self.text(name, serde_json::to_vec(document).expect("documents are plain data"));
    }

    fn text(&mut self, name: &str, text: Vec<u8>) {
        self.members.push((name.to_owned(), Content::Text(text)));
    }

    fn directory(&mut self, name: &str) {
        self.members.push((name.to_owned(), Content::Directory));
    }

    fn stored(&mut self, name: String, digest: &Digest) -> Result<(), Error> {
        let size = self.store.blob_size("blob", digest)?;
        self.members.push((name, Content::Blob(*digest, size)));
        Ok(())
    }
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Directory => 0,
            Self::Text(text) => text.len() as u64,
            Self::Blob(_, size) => *size,
        }
    }
}

impl ImageName {
    /// What OCI tools, containerd and Docker look for.
    fn annotations(&self) -> BTreeMap<&'static str, String> {
        let full = format!("docker.io/library/{self}");
        [(REF_NAME, self.tag.clone()), (FULL_NAME, full)].into()
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}
