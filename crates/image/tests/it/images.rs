//! Images by their digests, and blobs by theirs.

use crate::support::{at, commit, names_in, store, write};
use kiln_image::{Clamp, Error, ImageConfig, Layer, Resolved, Store};
use kiln_names::Digest;
use std::fs;
use std::io::Read as _;

fn layer(store: &Store, name: &str) -> Layer {
    commit(store, Clamp::from_start(at(1)), |root| {
        write(&root.join(name), name, 0o644);
    })
}

fn config() -> ImageConfig {
    let labels = (0..20).map(|number| (format!("label-{number}"), String::from("x")));
    ImageConfig {
        architecture: "amd64".into(),
        user: "1000:1000".into(),
        env: vec!["PATH=/usr/bin".into()],
        cmd: vec!["/bin/web".into()],
        labels: labels.collect(),
        ..ImageConfig::default()
    }
}

#[test]
fn an_image_reads_back_and_is_the_same_image_in_every_store() {
    let digests = [store(), store()].map(|(_dir, store)| {
        let layers = [layer(&store, "low"), layer(&store, "high")];
        let digest = store.put_image(config(), &layers.map(|layer| layer.diff_id)).unwrap();
        let image = store.image(&digest).unwrap();
        assert_eq!((image.digest, image.config), (digest, config()));
        assert_eq!(image.layers, layers);
        let again = store.put_image(config(), &layers.map(|layer| layer.diff_id)).unwrap();
        assert_eq!(again, digest);
        assert_eq!(store.images().unwrap(), [digest]);
        digest
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn lower_directories_come_top_first() {
    let (_dir, store) = store();
    let layers = ["low", "middle", "high"].map(|name| layer(&store, name).diff_id);
    let image = store.put_image(config(), &layers).unwrap();
    let dirs = store.lower_dirs(&image).unwrap();
    let names: Vec<_> = dirs.iter().flat_map(|dir| names_in(dir)).collect();
    assert_eq!(names, ["high", "middle", "low"]);
}

#[test]
fn a_layer_that_occurs_twice_is_a_lower_directory_once() {
    let (_dir, store) = store();
    let [nothing, other] = ["nothing", "other"].map(|name| layer(&store, name).diff_id);
    let image = store.put_image(config(), &[nothing, other, nothing]).unwrap();
    assert_eq!(store.image(&image).unwrap().layers.len(), 3);
    let dirs = store.lower_dirs(&image).unwrap();
    let names: Vec<_> = dirs.iter().flat_map(|dir| names_in(dir)).collect();
    assert_eq!(names, ["nothing", "other"]);
}

#[test]
fn an_image_of_a_layer_that_is_not_there_is_refused() {
    let (_dir, store) = store();
    let error = store.put_image(config(), &[Digest::of(b"none")]).unwrap_err();
    assert!(matches!(error, Error::Missing { what: "layer", .. }), "{error}");
    assert_eq!(store.images().unwrap(), []);
}

#[test]
fn prefixes_stand_for_one_image_or_none_or_are_ambiguous() {
    let (_dir, store) = store();
    let base = layer(&store, "base").diff_id;
    let image = |number: u32| {
        let config = ImageConfig { user: number.to_string(), ..config() };
        store.put_image(config, &[base]).unwrap()
    };
    // Seventeen images share at least one first digit.
    let images: Vec<Digest> = (0..17).map(image).collect();
    for image in &images {
        assert_eq!(store.resolve_prefix(&image.to_string()).unwrap(), Resolved::One(*image));
        assert_eq!(store.resolve_prefix(&image.short()).unwrap(), Resolved::One(*image));
    }
    let first = |digest: &Digest| digest.hex()[..1].to_owned();
    let count = |digit: &str| images.iter().filter(|image| first(image) == digit).count();
    let shared = images.iter().map(first).find(|digit| count(digit) > 1).unwrap();
    let Resolved::Ambiguous(several) = store.resolve_prefix(&shared).unwrap() else {
        panic!("{shared} is shared")
    };
    assert_eq!(several.len(), count(&shared));
    assert_eq!(store.resolve_prefix("zz").unwrap(), Resolved::None);
    assert_eq!(store.resolve_prefix("").unwrap(), Resolved::None);
}

#[test]
fn images_put_and_removed_by_many_stores_at_once_are_all_accounted_for() {
    let (_dir, store) = store();
    let base = layer(&store, "base").diff_id;
    std::thread::scope(|scope| {
        for number in 0..8_u32 {
            let store = Store::open(store.root()).unwrap();
            scope.spawn(move || {
                let config = ImageConfig { user: number.to_string(), ..config() };
                let image = store.put_image(config, &[base]).unwrap();
                if number % 2 == 0 {
                    assert!(store.remove(&image).unwrap());
                    assert!(!store.remove(&image).unwrap());
                }
            });
        }
    });
    assert_eq!(store.images().unwrap().len(), 4);
}

#[test]
fn a_damaged_document_is_not_believed() {
    let (_dir, store) = store();
    let image = store.put_image(config(), &[layer(&store, "base").diff_id]).unwrap();
    fs::write(store.root().join("blobs/sha256").join(image.hex()), "{}").unwrap();
    assert!(matches!(store.image(&image), Err(Error::Mismatch { .. })));
}

#[test]
fn a_blob_is_kept_only_under_its_own_digest() {
    let (_dir, store) = store();
    let digest = Digest::of(b"content");
    assert!(!store.has_blob(&digest));
    let error = store.put_blob(&digest, &b"other"[..]).unwrap_err();
    assert!(matches!(error, Error::Mismatch { expected, .. } if expected == digest));
    assert!(!store.has_blob(&digest) && !store.has_blob(&Digest::of(b"other")));
    assert_eq!(store.put_blob(&digest, &b"content"[..]).unwrap(), 7);
    assert_eq!(store.cache_blob(&digest, &b"content"[..]).unwrap(), 7);
    let mut content = String::new();
    store.open_blob(&digest).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    store.remove_blob(&digest).unwrap();
    store.remove_blob(&digest).unwrap();
    assert!(!store.has_blob(&digest));
}
