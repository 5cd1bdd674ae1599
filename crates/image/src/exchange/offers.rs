//! Which images an archive has, and which of them is meant.

use super::bundle::{Bundle, blob_name};
use super::error::ImportError;
use crate::document::{
    Configuration, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, INDEX, MANIFEST, Manifest,
};
use kiln_names::Platform;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// An index may name another: of an image for several platforms.
const MAX_DEPTH: usize = 3;
/// The most images that are looked at in one archive, and the most indexes: one may be named again
/// and again, at every depth.
const MAX_OFFERS: usize = 1000;
const MAX_INDEXES: usize = 100;
/// The longest name of an image: every image of an index within another has the names of both.
const MAX_NAME: usize = 512;

/// Where OCI tools write an image's tag, and where containerd and Docker write its whole name.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// What Docker marks entries with that are about an image rather than one.
const ABOUT_AN_IMAGE: &str = "vnd.docker.reference.type";

/// Which image of an archive is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name in the archive, or its digest; not needed for an archive with one image.
    pub name: Option<String>,
    /// What it has to be built for.
    pub platform: Platform,
}

/// An image of an archive.
#[derive(Debug)]
pub(super) struct Offer {
    names: Vec<String>,
    platform: Platform,
    pub(super) source: Source,
}

/// Where its parts are.
#[derive(Debug)]
pub(super) enum Source {
    /// A manifest of an OCI layout.
    Oci(Descriptor),
    /// An entry of a docker archive's `manifest.json`.
    Docker(Saved),
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub(super) config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    pub(super) layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

/// A descriptor with what an index adds.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    platform: Option<StatedPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct StatedPlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// The one image of the archive that is meant.
pub(super) fn choose(bundle: &Bundle, choice: &Choice) -> Result<Offer, ImportError> {
    let mut offers = all(bundle)?;
    let offered: Vec<String> = offers.iter().map(Offer::words).collect();
    let named = |offer: &Offer| choice.name.as_ref().is_none_or(|name| offer.is_called(name));
    offers.retain(|offer| named(offer) && choice.platform.takes(&offer.platform));
    // One image may stand there under several names.
    let mut seen = std::collections::BTreeSet::new();
    offers.retain(|offer| seen.insert(offer.identity()));
    if offers.len() > 1 {
        return Err(ImportError::Ambiguous { offered: offers.iter().map(Offer::words).collect() });
    }
    offers.pop().ok_or_else(|| {
        let name = choice.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
        ImportError::NoMatch { asked: format!("{name}for {}", choice.platform), offered }
    })
}

fn all(bundle: &Bundle) -> Result<Vec<Offer>, ImportError> {
    let mut offers = Vec::new();
    if bundle.has("index.json") {
        let index: Index = parse("index.json", &bundle.document("index.json")?)?;
        let mut walk = Walk { bundle, offers: Vec::new(), indexes: 0 };
        walk.index(index, &[], MAX_DEPTH)?;
        offers = walk.offers;
    } else if bundle.has("manifest.json") {
        let saved: Vec<Saved> = parse("manifest.json", &bundle.document("manifest.json")?)?;
        for saved in saved {
            let platform = platform(&saved.config, &bundle.document(&saved.config)?)?;
            let names = short(saved.repo_tags.clone().unwrap_or_default())?;
            push(&mut offers, Offer { names, platform, source: Source::Docker(saved) })?;
        }
    } else {
        return Err(ImportError::NoImages);
    }
    Ok(offers)
}

/// Follows an index to the manifests that the archive holds: one that was saved for a single platform
/// still names all.
struct Walk<'b> {
    bundle: &'b Bundle,
    offers: Vec<Offer>,
    indexes: usize,
}

impl Walk<'_> {
    fn index(&mut self, index: Index, above: &[String], depth: usize) -> Result<(), ImportError> {
        for entry in index.manifests {
            let digest = entry.descriptor.digest;
            if entry.is_about_an_image() || !self.bundle.has(&blob_name(&digest)) {
                continue;
            }
            let names = [above, &entry.names()?].concat();
            match entry.descriptor.media_type.as_str() {
                INDEX | DOCKER_LIST if depth > 0 => {
                    self.count_index()?;
                    let inner = parse(&digest.to_string(), &self.bundle.blob_document(&digest)?)?;
                    self.index(inner, &names, depth - 1)?;
                }
                MANIFEST | DOCKER_MANIFEST => {
                    let platform = match entry.stated()? {
                        Some(platform) => platform,
                        None => of_manifest(self.bundle, &entry.descriptor)?,
                    };
                    let source = Source::Oci(entry.descriptor);
                    push(&mut self.offers, Offer { names, platform, source })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn count_index(&mut self) -> Result<(), ImportError> {
        self.indexes += 1;
        if self.indexes > MAX_INDEXES {
            return Err(ImportError::refused("the archive", "has more than 100 indexes"));
        }
        Ok(())
    }
}

/// Names that are short enough to be repeated.
fn short(names: Vec<String>) -> Result<Vec<String>, ImportError> {
    if names.len() > MAX_OFFERS || names.iter().any(|name| name.len() > MAX_NAME) {
        return Err(ImportError::refused("the archive", "gives an image a name that is too long"));
    }
    Ok(names)
}

fn push(offers: &mut Vec<Offer>, offer: Offer) -> Result<(), ImportError> {
    if offers.len() == MAX_OFFERS {
        return Err(ImportError::refused("the archive", "has more than 1000 images"));
    }
    offers.push(offer);
    Ok(())
}

fn of_manifest(bundle: &Bundle, descriptor: &Descriptor) -> Result<Platform, ImportError> {
    let digest = &descriptor.digest;
    let manifest: Manifest = parse(&digest.to_string(), &bundle.blob_document(digest)?)?;
    let config = manifest.config.digest;
    platform(&config.to_string(), &bundle.blob_document(&config)?)
}

/// What an image was built for, by its configuration.
pub(super) fn platform(what: &str, configuration: &[u8]) -> Result<Platform, ImportError> {
    let Configuration { os, architecture, variant, .. } = parse(what, configuration)?;
    spelled(what, &os, &architecture, Some(&variant))
}

fn spelled(
    what: &str,
    os: &str,
    architecture: &str,
    variant: Option<&str>,
) -> Result<Platform, ImportError> {
    let variant = variant.filter(|variant| !variant.is_empty());
    let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
    let platform = Platform::parse(&format!("{os}/{architecture}{variant}"));
    platform.map_err(|error| ImportError::refused(what, format!("names no platform: {error}")))
}

pub(super) fn parse<T: DeserializeOwned>(what: &str, text: &[u8]) -> Result<T, ImportError> {
    serde_json::from_slice(text)
        .map_err(|source| ImportError::Malformed { what: what.to_owned(), source })
}

impl Entry {
    fn names(&self) -> Result<Vec<String>, ImportError> {
        let annotations = self.annotations.iter();
        let value = |name: &str| annotations.clone().find_map(|all| all.get(name).cloned());
        short([FULL_NAME, REF_NAME].into_iter().filter_map(value).collect())
    }

    fn is_about_an_image(&self) -> bool {
        let annotated = |all: &BTreeMap<String, String>| all.contains_key(ABOUT_AN_IMAGE);
        self.annotations.as_ref().is_some_and(annotated)
            || self.platform.as_ref().is_some_and(|stated| stated.os == "unknown")
    }

    fn stated(&self) -> Result<Option<Platform>, ImportError> {
        let Some(stated) = &self.platform else { return Ok(None) };
        let what = self.descriptor.digest.to_string();
        spelled(&what, &stated.os, &stated.architecture, stated.variant.as_deref()).map(Some)
    }
}

impl Offer {
    /// Whether people may call it so: by its name, by the end of it, or by its digest.
    fn is_called(&self, name: &str) -> bool {
        let ends = |known: &String| {
            known == name || known.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'))
        };
        self.names.iter().any(ends) || self.identity() == name
    }

    /// Two with the same are one image.
    fn identity(&self) -> String {
        match &self.source {
            Source::Oci(descriptor) => descriptor.digest.to_string(),
            Source::Docker(saved) => saved.config.clone(),
        }
    }

    fn words(&self) -> String {
        let name = self.names.first().cloned().unwrap_or_else(|| self.identity());
        format!("{name} for {}", self.platform)
    }
}
