//! Images in archives: what goes out comes in again, and what is not what it says stays out.

use crate::support::{at, commit, names_in, store, write};
use kiln_image::{
    Choice, Clamp, Error, ExportForm, ImageConfig, ImageName, ImportError, LayerError, Store,
};
use kiln_names::{Digest, Platform};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::ops::ControlFlow;

const OCI: &str = "application/vnd.oci.image";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The files of an archive, in its order.
#[derive(Default, Clone)]
struct Archive(Vec<(String, Vec<u8>)>);

impl Archive {
    fn put(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), content.into()));
    }

    /// Puts a blob under its digest and describes it.
    fn blob(&mut self, media_type: &str, content: impl Into<Vec<u8>>) -> Value {
        let content = content.into();
        let (digest, size) = (Digest::of(&content), content.len());
        self.put(&format!("blobs/sha256/{}", digest.hex()), content);
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    fn json(&mut self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, document.to_string())
    }

    /// An image of those layers, each with its media type and plain content.
    fn image(&mut self, architecture: &str, layers: &[(&str, &[u8])]) -> Value {
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, plain)| Digest::of(plain)).collect();
        let config = json!({"architecture": architecture, "os": "linux",
            "config": {"Cmd": ["/bin/web"], "Labels": null},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = self.json(&format!("{OCI}.config.v1+json"), &config);
        let layers = layers.iter().map(|(kind, plain)| self.blob(kind, packed(kind, plain)));
        let manifest = json!({"schemaVersion": 2, "config": config,
            "layers": layers.collect::<Vec<_>>()});
        self.json(&format!("{OCI}.manifest.v1+json"), &manifest)
    }

    fn index(mut self, manifests: &[Value]) -> Self {
        self.put("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.put("index.json", index.to_string());
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            tar.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        tar.into_inner().unwrap()
    }
}

fn packed(media_type: &str, plain: &[u8]) -> Vec<u8> {
    match media_type {
        GZIP => gzip(plain),
        ZSTD => zstd::encode_all(plain, 3).unwrap(),
        _ => plain.to_vec(),
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(plain).unwrap();
    gzip.finish().unwrap()
}

/// A layer with one file.
fn layer(name: &str, content: &str) -> Vec<u8> {
    let mut layer = Archive::default();
    layer.put(name, content);
    layer.bytes()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn choice(name: Option<&str>) -> Choice {
    Choice { name: name.map(str::to_owned), platform: Platform::parse("linux/amd64").unwrap() }
}

fn import(store: &Store, archive: &Archive) -> Result<Digest, ImportError> {
    import_named(store, archive, None)
}

fn import_named(
    store: &Store,
    archive: &Archive,
    name: Option<&str>,
) -> Result<Digest, ImportError> {
    store.import(file(&archive.bytes()), &choice(name), |_| ControlFlow::Continue(()))
}

fn digest_of(descriptor: &Value) -> Digest {
    Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

#[test]
fn compressed_layers_are_unpacked_and_the_image_keeps_its_digest() {
    let (_dir, store) = store();
    let (low, high) = (layer("low", "1"), layer("high", "2"));
    let mut archive = Archive::default();
    let image = archive.image("amd64", &[(GZIP, &low), (ZSTD, &high)]);
    let archive = archive.index(std::slice::from_ref(&image));
    let digest = import(&store, &archive).unwrap();
    assert_eq!(digest, digest_of(&image));
    let kept = store.image(&digest).unwrap();
    assert_eq!(kept.config.cmd, ["/bin/web"]);
    let diff_ids: Vec<Digest> = kept.layers.iter().map(|layer| layer.diff_id).collect();
    assert_eq!(diff_ids, [Digest::of(&low), Digest::of(&high)]);
    assert_ne!(kept.blobs, diff_ids);
    let names: Vec<_> =
        store.lower_dirs(&digest).unwrap().iter().flat_map(|d| names_in(d)).collect();
    assert_eq!(names, ["high", "low"]);
    // All of it survives a collection, and the same archive is the same image again.
    store.gc(&[digest], &[]).unwrap();
    assert_eq!(store.image(&digest).unwrap(), kept);
    assert_eq!(import(&store, &archive).unwrap(), digest);
    // What goes out is byte for byte what came in.
    for part in store.parts(&digest).unwrap() {
        let name = format!("blobs/sha256/{}", part.hex());
        let came = &archive.0.iter().find(|(known, _)| *known == name).unwrap().1;
        let mut kept = Vec::new();
        std::io::Read::read_to_end(&mut store.open_blob(&part).unwrap(), &mut kept).unwrap();
        assert_eq!(&kept, came);
    }
}

#[test]
fn what_is_exported_in_any_form_is_imported_as_the_same_image() {
    let (_dir, from) = store();
    let layers = ["low", "high"].map(|name| {
        commit(&from, Clamp::from_start(at(1)), |root| write(&root.join(name), name, 0o644)).diff_id
    });
    let config = ImageConfig { architecture: "amd64".into(), ..ImageConfig::default() };
    // A layer that occurs twice is written once.
    let image = from.put_image(config, &[layers[0], layers[1], layers[0]]).unwrap();
    let name = ImageName { repository: "hello".into(), tag: "1.0".into() };
    for form in [ExportForm::Both, ExportForm::Oci, ExportForm::Docker] {
        let export = from.export(&image, Some(&name), form).unwrap();
        let mut bytes = Vec::new();
        export.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, export.bytes(), "{form:?}");
        for bytes in [gzip(&bytes), bytes] {
            let (_dir, to) = store();
            let go_on = |_| ControlFlow::Continue(());
            let imported = to.import(file(&bytes), &choice(Some("hello:1.0")), go_on);
            assert_eq!(imported.unwrap(), image, "{form:?}");
            assert_eq!(names_in(&to.root().join("staging")), [""; 0]);
        }
    }
}

#[test]
fn an_export_of_a_damaged_blob_says_so() {
    let (_dir, store) = store();
    let layer = commit(&store, Clamp::keep(), |root| write(&root.join("a"), "a", 0o644));
    let image = store.put_image(ImageConfig::default(), &[layer.diff_id]).unwrap();
    let blob = store.root().join("blobs/sha256").join(layer.diff_id.hex());
    let size = usize::try_from(layer.bytes).unwrap();
    std::fs::write(blob, vec![7; size]).unwrap();
    let export = store.export(&image, None, ExportForm::Both).unwrap();
    assert!(matches!(export.write(std::io::sink()), Err(Error::Mismatch { .. })));
}

#[test]
fn the_archives_of_docker_save_are_read_with_their_links() {
    let (_dir, store) = store();
    let (low, high) = (layer("low", "1"), layer("high", "2"));
    let diff_ids = [&low, &high, &low].map(|plain| Digest::of(plain));
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let manifest = json!([{"Config": "c.json", "RepoTags": ["busybox:latest"],
        "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"]}]);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    for (name, content) in [
        ("one/layer.tar", low.clone()),
        ("two/layer.tar", gzip(&high)),
        ("c.json", config.to_string().into()),
        ("manifest.json", manifest.to_string().into()),
    ] {
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    tar.append_link(&mut header, "three/layer.tar", "../one/layer.tar").unwrap();
    let bytes = tar.into_inner().unwrap();
    let image = store
        .import(file(&bytes), &choice(Some("busybox:latest")), |_| ControlFlow::Continue(()))
        .unwrap();
    let kept = store.image(&image).unwrap();
    assert_eq!(kept.blobs, diff_ids);
    assert_eq!(store.parts(&image).unwrap()[0], Digest::of(config.to_string().as_bytes()));
}

#[test]
fn an_archive_of_several_images_is_asked_for_one() {
    let plain = layer("a", "1");
    let tar = format!("{OCI}.layer.v1.tar");
    let named = |mut image: Value, name: &str| {
        image["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        image
    };
    let mut archive = Archive::default();
    let one = named(archive.image("amd64", &[(&tar, &plain)]), "one");
    let two = named(archive.image("amd64", &[(&tar, &plain), (&tar, &layer("b", ""))]), "two");
    let other = named(archive.image("arm64", &[(&tar, &plain)]), "one");
    // An index of platforms, one of which was not saved, and a note about an image.
    let absent = json!({"mediaType": format!("{OCI}.manifest.v1+json"), "size": 3,
        "digest": Digest::of(b"absent"), "platform": {"os": "linux", "architecture": "s390x"}});
    let mut note = one.clone();
    note["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let inner = json!({"schemaVersion": 2, "manifests": [other, one, absent, note]});
    let inner = archive.json(&format!("{OCI}.index.v1+json"), &inner);
    let archive = archive.index(&[inner, two.clone()]);
    let (_dir, store) = store();
    let check = |name: Option<&str>, expected: &Value| {
        assert_eq!(import_named(&store, &archive, name).unwrap(), digest_of(expected), "{name:?}");
    };
    check(Some("one"), &one);
    check(Some("two"), &two);
    check(Some(&digest_of(&two).to_string()), &two);
    let error = import(&store, &archive).unwrap_err().to_string();
    assert_eq!(error, "choose among one for linux/amd64, two for linux/amd64");
    let error = import_named(&store, &archive, Some("three")).unwrap_err().to_string();
    assert!(error.starts_with("find three for linux/amd64: the archive has one for"), "{error}");
    let arm = Choice { name: None, platform: Platform::parse("linux/arm64").unwrap() };
    let imported = store.import(file(&archive.bytes()), &arm, |_| ControlFlow::Continue(()));
    assert_eq!(imported.unwrap(), digest_of(&other));
}

/// An image of one gzip layer, one of whose documents `change` has changed before they were named.
fn lying(change: impl Fn(&mut Value, &mut Value)) -> Archive {
    let plain = layer("a", "1");
    let mut archive = Archive::default();
    let mut config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&plain)]}});
    let layer = archive.blob(GZIP, gzip(&plain));
    let mut manifest = json!({"schemaVersion": 2, "layers": [layer]});
    change(&mut config, &mut manifest);
    manifest["config"] = archive.json(&format!("{OCI}.config.v1+json"), &config);
    let image = archive.json(&format!("{OCI}.manifest.v1+json"), &manifest);
    archive.index(&[image])
}

#[test]
fn what_is_not_what_it_says_is_refused_and_no_image() {
    let (_dir, store) = store();
    let other = Digest::of(b"other");
    let check = |archive: &Archive, expected: &str| {
        let error = chain(&import(&store, archive).unwrap_err());
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(store.images().unwrap(), []);
        assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
    };
    check(&lying(|config, _| config["rootfs"]["diff_ids"] = json!([other])), "has digest");
    check(&lying(|config, _| config["rootfs"]["diff_ids"] = json!([])), "names 0 layers, and 1");
    check(&lying(|config, _| config["os"] = json!("windows")), "for linux/amd64");
    check(&lying(|_, manifest| manifest["layers"][0]["size"] = json!(7)), "its descriptor says 7");
    check(
        &lying(|_, manifest| manifest["layers"][0]["digest"] = json!(other)),
        "not in the archive",
    );
    check(
        &lying(|_, manifest| manifest["layers"][0]["mediaType"] = json!(ZSTD)),
        "compressed content",
    );
    check(
        &lying(|_, manifest| manifest["layers"][0]["mediaType"] = json!("x/y+encrypted")),
        "of a kind that is not unpacked here",
    );
    check(&lying(|_, manifest| manifest["schemaVersion"] = json!(1)), "older kind");
    let mut damaged = lying(|_, _| {});
    damaged.0[0].1[12] ^= 1;
    check(&damaged, "content");
    check(&Archive::default(), "no OCI layout");
    let mut nonsense = Archive::default();
    nonsense.put("index.json", "[");
    check(&nonsense, "read index.json");
}

#[test]
fn hostile_layers_stay_out_however_they_are_packed() {
    let (dir, store) = store();
    let canary = dir.path().join("canary");
    let zeros = vec![0; 80 << 20];
    let mut up = tar::Header::new_gnu();
    up.as_gnu_mut().unwrap().name[..12].copy_from_slice(b"../../canary");
    for set in [tar::Header::set_size, tar::Header::set_uid, tar::Header::set_gid] {
        set(&mut up, 0);
    }
    up.set_mode(0o644);
    up.set_mtime(0);
    up.set_cksum();
    let escape = [up.as_bytes().as_slice(), &[0; 1024]].concat();
    for kind in [GZIP, ZSTD] {
        let mut bomb = Archive::default();
        let image = bomb.image("amd64", &[(kind, &zeros)]);
        let error = import(&store, &bomb.index(&[image])).unwrap_err();
        assert!(matches!(error, ImportError::Bomb { .. }), "{error}");
        let mut hostile = Archive::default();
        let image = hostile.image("amd64", &[(kind, &escape)]);
        let error = import(&store, &hostile.index(&[image])).unwrap_err();
        let refused =
            matches!(&error, ImportError::Store(Error::Layer(LayerError::Refused { .. })));
        assert!(refused, "{error:?}");
    }
    assert!(!canary.exists());
    assert_eq!(store.images().unwrap(), []);
}

#[test]
fn an_import_that_nobody_waits_for_ends_before_the_next_layer() {
    let (_dir, store) = store();
    let mut archive = Archive::default();
    let image = archive.image("amd64", &[(GZIP, &layer("a", "1")), (GZIP, &layer("b", "2"))]);
    let archive = archive.index(&[image]);
    let mut told = Vec::new();
    let error = store.import(file(&archive.bytes()), &choice(None), |admitting| {
        told.push((admitting.index, admitting.total));
        if admitting.index == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(error, Err(ImportError::Abandoned)));
    assert_eq!(told, [(1, 2), (2, 2)]);
    assert_eq!(store.images().unwrap(), []);
}
