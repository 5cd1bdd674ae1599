//! The images that groups run beside their digests: documents always, every file when asked.

use super::{gap, of_machine};
use crate::inner::Inner;
use kiln_container::inspect::Gap;
use kiln_engine::Drift;
use kiln_image::{Damage, Damaged, Layer};
use kiln_keeper::chain;
use kiln_names::Digest;
use std::collections::BTreeSet;

/// Documents whole, and every layer unpacked.
pub(super) fn shallow(inner: &Inner, images: &BTreeSet<Digest>) -> Vec<Drift> {
    images.iter().flat_map(|image| documents(inner, image)).collect()
}

fn documents(inner: &Inner, image: &Digest) -> Vec<Drift> {
    let subject = format!("image {}", image.short());
    let mend = Some("bake it again, or import it, then: kiln drift --deep".to_owned());
    let told = match inner.images.image(image) {
        Ok(read) => {
            let gone = read.layers.iter().filter(|layer| !is_unpacked(inner, layer));
            gone.map(|layer| Gap {
                mend: Some("kiln replace of any of its instances unpacks it again".to_owned()),
                ..gap("an unpacked layer", layer.diff_id.short(), "not there")
            })
            .collect()
        }
        Err(error) => {
            let found = chain(&error);
            vec![Gap { mend, ..gap("its documents", "whole", found) }]
        }
    };
    told.into_iter().map(|gap| of_machine(&subject, gap)).collect()
}

fn is_unpacked(inner: &Inner, layer: &Layer) -> bool {
    inner.images.places_of(&layer.diff_id).1.is_dir()
}

/// Every file of every layer, once, whichever images share it.
pub(crate) fn deep(inner: &Inner, images: &BTreeSet<Digest>) -> Vec<Drift> {
    let read = images.iter().filter_map(|image| inner.images.image(image).ok());
    let layers: BTreeSet<Digest> =
        read.flat_map(|image| image.layers).map(|layer| layer.diff_id).collect();
    layers.iter().flat_map(|layer| files(inner, layer)).collect()
}

fn files(inner: &Inner, layer: &Digest) -> Vec<Drift> {
    let subject = format!("layer {}", layer.short());
    let gaps = match inner.images.audit_layer(layer) {
        Ok(damaged) => damaged.iter().map(|it| of_file(inner, layer, it)).collect(),
        Err(error) => {
            let mend = Some("bake it again, or import it, then: kiln drift --deep".to_owned());
            vec![Gap { mend, ..gap("its archive", layer, chain(&error)) }]
        }
    };
    gaps.into_iter().map(|gap| of_machine(&subject, gap)).collect()
}

fn of_file(inner: &Inner, layer: &Digest, damaged: &Damaged) -> Gap {
    let (blob, root) = inner.images.places_of(layer);
    let (path, root) = (damaged.path.display(), root.display());
    let (expected, found) = match &damaged.damage {
        Damage::Removed => ("there".to_owned(), "removed".to_owned()),
        Damage::Added => ("not there".to_owned(), "added".to_owned()),
        Damage::Edited => ("as it was baked".to_owned(), "edited".to_owned()),
        Damage::Changed { expected, found } => (expected.clone(), found.clone()),
    };
    let mend = match damaged.damage {
        Damage::Added => format!("rm -r '{root}/{path}'"),
        _ => format!("tar -xpf {} -C {root} '{path}'", blob.display()),
    };
    Gap { mend: Some(mend), ..gap(&format!("/{path}"), expected, found) }
}
