//! Collection removes what nothing needs, and nothing else.

use crate::support::{commit, names_in, store, write};
use kiln_image::{Clamp, Error, ImageConfig, Store};
use kiln_names::Digest;
use std::fs;

fn layer(store: &Store, name: &str) -> Digest {
    commit(store, Clamp::keep(), |root| write(&root.join(name), name, 0o644)).diff_id
}

#[test]
fn shared_layers_stay_and_the_rest_goes() {
    let (_dir, store) = store();
    let [base, old, new, baking] = ["base", "old", "new", "baking"].map(|name| layer(&store, name));
    let gone = store.put_image(ImageConfig::default(), &[base, old]).unwrap();
    let kept = store.put_image(ImageConfig::default(), &[base, new]).unwrap();
    let (context, stale) = (Digest::of(b"context"), Digest::of(b"stale"));
    store.cache_blob(&context, &b"context"[..]).unwrap();
    store.cache_blob(&stale, &b"stale"[..]).unwrap();
    let size = store.layer(&old).unwrap().bytes;

    let collected = store.gc(&[kept], &[baking, context]).unwrap();
    // The old layer, the manifest and configuration of its image, and the stale blob.
    assert_eq!((collected.images, collected.layers, collected.blobs), (1, 1, 4));
    assert!(collected.bytes > size);
    assert_eq!(store.images().unwrap(), [kept]);
    assert_eq!(store.lower_dirs(&kept).unwrap().len(), 2);
    assert!(store.layer_dir(&baking).is_ok() && store.has_blob(&context));
    assert!(matches!(store.image(&gone), Err(Error::Missing { .. })));
    assert!(!store.has_layer(&old) && !store.has_blob(&stale));
    assert_eq!(names_in(&store.root().join("layers")).len(), 3);
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    assert_eq!(store.gc(&[kept], &[baking, context]).unwrap(), Default::default());
}

#[test]
fn nothing_is_removed_while_a_root_cannot_be_read() {
    let (_dir, store) = store();
    let spare = layer(&store, "spare");
    let image = store.put_image(ImageConfig::default(), &[layer(&store, "base")]).unwrap();
    fs::write(store.root().join("blobs/sha256").join(image.hex()), "{}").unwrap();
    assert!(matches!(store.gc(&[image], &[]), Err(Error::Mismatch { .. })));
    assert!(store.has_layer(&spare));
}
