//! One image of an archive, verified into the store.

use super::bundle::{Bundle, blob_name};
use super::error::ImportError;
use super::inflate::{Packing, inflate};
use super::offers::{self, Choice, Offer, Source, parse, platform};
use crate::document::{
    CONFIGURATION, Configuration, DOCKER_CONFIGURATION, DOCKER_MANIFEST, Descriptor, LAYER,
    MANIFEST, Manifest,
};
use crate::limits::MAX_LAYERS;
use crate::store::Store;
use crate::store::incoming::Keep;
use kiln_names::{Digest, Platform};
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;

/// How far it is: the layer that is about to be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitting {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub total: usize,
    /// The layer's diff id.
    pub diff_id: Digest,
    /// Its size as it came.
    pub bytes: u64,
}

/// One layer of an archive, not yet believed.
struct Coming {
    /// The name of the member.
    member: String,
    /// What the manifest says of it; nothing says anything of a docker archive's.
    stated: Option<Descriptor>,
    packing: Packing,
    diff_id: Digest,
}

impl Store {
    /// Takes one image of an archive into the store; `tell` hears of each layer and may break off.
    /// An image that is here already is found by its digest, and nothing is read twice.
    ///
    /// # Errors
    /// [`ImportError`]. What was stored until then belongs to no image and goes with [`Store::gc`].
    pub fn import(
        &self,
        archive: File,
        choice: &Choice,
        mut tell: impl FnMut(Admitting) -> ControlFlow<()>,
    ) -> Result<Digest, ImportError> {
        let bundle = Bundle::open(self, archive)?;
        let offer = offers::choose(&bundle, choice)?;
        let mut admission = Admission { store: self, bundle: &bundle, tell: &mut tell };
        match &offer {
            Offer { source: Source::Oci(descriptor), .. } => admission.oci(descriptor, choice),
            Offer { source: Source::Docker(saved), .. } => admission.docker(saved),
        }
    }
}

struct Admission<'a> {
    store: &'a Store,
    bundle: &'a Bundle,
    tell: &'a mut dyn FnMut(Admitting) -> ControlFlow<()>,
}

impl Admission<'_> {
    fn oci(&mut self, image: &Descriptor, choice: &Choice) -> Result<Digest, ImportError> {
        if self.store.images()?.contains(&image.digest)
            && self.store.lower_dirs(&image.digest).is_ok()
        {
            return Ok(image.digest);
        }
        let text = self.document(image)?;
        let manifest: Manifest = parse(&image.digest.to_string(), &text)?;
        check_manifest(image, &manifest)?;
        let configuration = self.document(&manifest.config)?;
        let what = manifest.config.digest.to_string();
        let built_for = platform(&what, &configuration)?;
        if !choice.platform.takes(&built_for) {
            let reason = format!("is for {built_for}, and the index says otherwise");
            return Err(ImportError::refused(what, reason));
        }
        let diff_ids = diff_ids(&what, &configuration, manifest.layers.len())?;
        let layers = manifest.layers.iter().zip(diff_ids);
        let layers = layers.map(|(layer, diff_id)| Coming::stated(layer, diff_id));
        self.layers(&layers.collect::<Result<Vec<_>, _>>()?)?;
        self.store.put_document("configuration", &configuration)?;
        let digest = self.store.put_document("manifest", &text)?;
        self.store.enter(Descriptor { media_type: manifest.kind().to_owned(), ..image.clone() })?;
        Ok(digest)
    }

    /// An entry of `manifest.json`: the manifest is written here, of plain layers.
    fn docker(&mut self, saved: &offers::Saved) -> Result<Digest, ImportError> {
        let configuration = self.bundle.document(&saved.config)?;
        let diff_ids = diff_ids(&saved.config, &configuration, saved.layers.len())?;
        let layers = saved.layers.iter().zip(&diff_ids);
        let layers = layers.map(|(member, diff_id)| self.unstated(member, *diff_id));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        self.layers(&layers)?;
        let digest = self.store.put_document("configuration", &configuration)?;
        let size = configuration.len() as u64;
        let config = Descriptor { media_type: CONFIGURATION.into(), digest, size };
        let plain = |diff_id: &Digest| {
            let size = self.store.blob_size("layer", diff_id)?;
            Ok(Descriptor { media_type: LAYER.into(), digest: *diff_id, size })
        };
        let layers = diff_ids.iter().map(plain).collect::<Result<_, crate::Error>>()?;
        let manifest = Manifest { schema_version: 2, media_type: MANIFEST.into(), config, layers };
        Ok(self.store.put_manifest(&manifest)?)
    }

    /// A document that an index or a manifest names.
    fn document(&self, named: &Descriptor) -> Result<Vec<u8>, ImportError> {
        let text = self.bundle.blob_document(&named.digest)?;
        check_length(named, text.len() as u64)?;
        Ok(text)
    }

    /// A layer of which nothing is known but its name: its first bytes say how it is packed.
    fn unstated(&self, member: &str, diff_id: Digest) -> Result<Coming, ImportError> {
        let mut magic = Vec::new();
        let start = self.bundle.section(member)?.take(4).read_to_end(&mut magic);
        start.map_err(|source| {
            ImportError::Archive(crate::LayerError::Io { path: member.to_owned(), source })
        })?;
        let packing = Packing::sniff(&magic);
        Ok(Coming { member: member.to_owned(), stated: None, packing, diff_id })
    }

    fn layers(&mut self, layers: &[Coming]) -> Result<(), ImportError> {
        for (at, layer) in layers.iter().enumerate() {
            let bytes = self.bundle.section(&layer.member)?.left;
            let (index, total, diff_id) = (at + 1, layers.len(), layer.diff_id);
            if (self.tell)(Admitting { index, total, diff_id, bytes }).is_break() {
                return Err(ImportError::Abandoned);
            }
            self.layer(layer, bytes)?;
        }
        Ok(())
    }

    /// Stores a layer as it came and as it is when unpacked, and unpacks it.
    fn layer(&self, layer: &Coming, bytes: u64) -> Result<(), ImportError> {
        if let Some(stated) = &layer.stated {
            check_length(stated, bytes)?;
            if layer.packing != Packing::Plain {
                self.store.put_blob(&stated.digest, self.bundle.section(&layer.member)?)?;
            }
        }
        let section = self.bundle.section(&layer.member)?;
        if self.store.has_layer(&layer.diff_id) {
            // It is here, and still what came has to be it.
            let mut hash = crate::hash::Hashing::new(io::sink());
            inflate(layer.packing, section, bytes, &mut hash)?;
            let (_, found, _) = hash.finish();
            if found != layer.diff_id {
                return Err(crate::Error::Mismatch { expected: layer.diff_id, found }.into());
            }
        } else {
            let mut plain = self.store.incoming()?;
            inflate(layer.packing, section, bytes, &mut plain)?;
            self.store.accept(plain, Some(&layer.diff_id), Keep::Durably)?;
        }
        self.store.layer_dir(&layer.diff_id)?;
        Ok(())
    }
}

impl Coming {
    fn stated(layer: &Descriptor, diff_id: Digest) -> Result<Self, ImportError> {
        let Some(packing) = Packing::of_layer(&layer.media_type) else {
            let reason = format!("is of a kind that is not unpacked here: {:?}", layer.media_type);
            return Err(ImportError::refused(format!("layer {}", layer.digest), reason));
        };
        if packing == Packing::Plain && layer.digest != diff_id {
            return Err(crate::Error::Mismatch { expected: diff_id, found: layer.digest }.into());
        }
        let member = blob_name(&layer.digest);
        Ok(Self { member, stated: Some(layer.clone()), packing, diff_id })
    }
}

fn check_manifest(image: &Descriptor, manifest: &Manifest) -> Result<(), ImportError> {
    let refuse =
        |reason: String| Err(ImportError::refused(format!("manifest {}", image.digest), reason));
    if manifest.schema_version != 2 || ![MANIFEST, DOCKER_MANIFEST].contains(&manifest.kind()) {
        return refuse("is of an older kind than can be read".to_owned());
    }
    match manifest.config.media_type.as_str() {
        CONFIGURATION | DOCKER_CONFIGURATION => Ok(()),
        other => refuse(format!("is of no image that runs: its configuration is {other:?}")),
    }
}

/// The layers that a configuration names, which has to run here.
fn diff_ids(what: &str, configuration: &[u8], layers: usize) -> Result<Vec<Digest>, ImportError> {
    let Configuration { os, rootfs, .. } = parse(what, configuration)?;
    let named = rootfs.diff_ids.len();
    if os != "linux" {
        return Err(ImportError::refused(what, format!("is for {os}: Kiln runs Linux alone")));
    }
    if named != layers {
        let reason = format!("names {named} layers, and {layers} came");
        return Err(ImportError::refused(what, reason));
    }
    match named {
        0 => Err(ImportError::refused(what, "has no layers")),
        1..=MAX_LAYERS => Ok(rootfs.diff_ids),
        _ => Err(ImportError::refused(what, format!("has more than {MAX_LAYERS} layers"))),
    }
}

fn check_length(stated: &Descriptor, found: u64) -> Result<(), ImportError> {
    if stated.size == found {
        return Ok(());
    }
    Err(ImportError::Length { digest: stated.digest, stated: stated.size, found })
}

impl Choice {
    /// The only image of an archive that is for this machine.
    #[must_use]
    pub fn only() -> Self {
        Self { name: None, platform: Platform::here() }
    }
}
