//! Manifests and configurations that a stranger wrote.

use crate::support::{commit, names_in, store, write};
use kiln_image::{Clamp, Error, ImageConfig, MAX_LAYERS, Store};
use kiln_names::Digest;
use serde_json::{Value, json};

fn put(store: &Store, content: &[u8]) -> Digest {
    let digest = Digest::of(content);
    store.put_blob(&digest, content).unwrap();
    digest
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(content), "size": content.len()})
}

const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A manifest of one layer, with a configuration.
fn manifest(store: &Store) -> (Value, Value) {
    let layer = commit(store, Clamp::keep(), |root| write(&root.join("a"), "x", 0o644));
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}});
    let text = config.to_string();
    put(store, text.as_bytes());
    let manifest = json!({"schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(CONFIGURATION, text.as_bytes()),
        "layers": [{"mediaType": LAYER, "digest": layer.diff_id, "size": layer.bytes}]});
    (manifest, config)
}

fn image(store: &Store, manifest: &str) -> Result<Digest, String> {
    let digest = put(store, manifest.as_bytes());
    let image = store.image(&digest).map_err(|error| super::chain(&error))?;
    Ok(image.digest)
}

fn check_refused(change: impl FnOnce(&Store, &mut Value, &mut Value) -> Option<String>, why: &str) {
    let (_dir, store) = store();
    let (mut manifest, mut config) = manifest(&store);
    let text = change(&store, &mut manifest, &mut config);
    let text = text.unwrap_or_else(|| manifest.to_string());
    let error = image(&store, &text).unwrap_err();
    assert!(error.contains(why), "{why}: {error}");
    assert!(error.len() < 1000, "{} bytes of error", error.len());
}

fn with_config(store: &Store, manifest: &mut Value, config: &str) {
    put(store, config.as_bytes());
    manifest["config"] = descriptor(CONFIGURATION, config.as_bytes());
}

#[test]
fn an_honest_manifest_is_read() {
    let (_dir, store) = store();
    let (mut manifest, _) = manifest(&store);
    manifest["annotations"] = json!({"a": "b"});
    image(&store, &manifest.to_string()).unwrap();
}

#[test]
fn documents_that_are_no_documents_are_refused() {
    check_refused(|_, _, _| Some(String::new()), "EOF while parsing");
    check_refused(|_, _, _| Some("[]".into()), "invalid length 0");
    check_refused(|_, _, _| Some("[".repeat(1 << 20)), "expected");
    check_refused(|_, _, _| Some(format!("{{\"x\":{}", "[".repeat(1 << 20))), "EOF while parsing");
    check_refused(|_, _, _| Some(" ".repeat((4 << 20) + 1)), "at most 4194304 are taken");
    check_refused(
        |_, m, _| Some(m.to_string().replacen('{', "{\"layers\":[],", 1)),
        "duplicate field",
    );
    check_refused(|_, m, _| Some(format!("{m} x")), "trailing characters");
    check_refused(
        |_, m, _| m["layers"][0]["size"].take().is_null().then(String::new),
        "invalid type: null",
    );
    check_refused(
        |_, m, _| {
            m["layers"][0]["size"] = json!(-1);
            None
        },
        "invalid value",
    );
    check_refused(
        |_, m, _| {
            m["layers"][0]["digest"] = json!("sha256:../../etc/passwd");
            None
        },
        "is not a digest",
    );
    check_refused(
        |_, m, _| {
            m["config"]["digest"] = json!(format!("md5:{}", "x".repeat(1 << 20)));
            None
        },
        "is not a digest",
    );
}

#[test]
fn manifests_and_configurations_that_disagree_are_refused() {
    check_refused(
        |store, m, c| {
            c["rootfs"]["diff_ids"] = json!([Digest::of(b"another")]);
            with_config(store, m, &c.to_string());
            None
        },
        "has no layer",
    );
    check_refused(
        |store, m, c| {
            c["rootfs"]["diff_ids"] = json!([]);
            with_config(store, m, &c.to_string());
            None
        },
        "has another number of layers in its manifest",
    );
    check_refused(
        |_, m, _| {
            m["layers"] = json!(vec![m["layers"][0].clone(); MAX_LAYERS + 1]);
            None
        },
        "at most 400 can be mounted",
    );
    check_refused(
        |_, m, _| {
            m["config"]["digest"] = json!(Digest::of(b"none"));
            None
        },
        "has no configuration",
    );
    check_refused(
        |store, m, _| {
            let deep = format!("{{\"config\":{{\"Labels\":{{\"a\":{}", "{\"a\":".repeat(1000));
            with_config(store, m, &deep);
            None
        },
        "invalid type: map",
    );
}

#[test]
fn an_image_of_too_many_layers_or_words_is_not_recorded() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |_| {}).diff_id;
    let error = store.put_image(ImageConfig::default(), &vec![layer; MAX_LAYERS + 1]).unwrap_err();
    assert!(matches!(error, Error::TooManyLayers { count: 401 }), "{error}");
    let labels = [("a".to_owned(), "x".repeat(5 << 20))].into();
    let config = ImageConfig { labels, ..ImageConfig::default() };
    let error = store.put_image(config, &[layer]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "configuration", .. }), "{error}");
    assert_eq!(store.images().unwrap(), []);
    assert_eq!(names_in(&store.root().join("blobs/sha256")), [layer.hex()]);
}
