//! Archives of images that repeat themselves.

use super::archive::{Entry, archive, file, long_name};
use crate::support::{names_in, store};
use kiln_image::Choice;
use kiln_names::Digest;
use serde_json::{Value, json};
use std::io::Write as _;
use std::ops::ControlFlow;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn descriptor(content: &str) -> Value {
    let digest = Digest::of(content.as_bytes());
    json!({"mediaType": INDEX, "digest": digest, "size": content.len()})
}

fn index(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "manifests": manifests}).to_string()
}

fn blob(content: &str) -> Entry {
    file(&format!("blobs/sha256/{}", Digest::of(content.as_bytes()).hex()), content)
}

fn refused(entries: &[Entry], why: &str) {
    let (_dir, store) = store();
    let mut archived = tempfile::tempfile().unwrap();
    archived.write_all(&archive(entries)).unwrap();
    let go_on = |_| ControlFlow::Continue(());
    let error = store.import(archived, &Choice::only(), go_on).unwrap_err();
    let error = super::chain(&error);
    assert!(error.contains(why), "{error}");
    assert!(error.len() < 4096, "{} bytes of error", error.len());
    assert_eq!(store.images().unwrap(), []);
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
}

#[test]
fn indexes_within_indexes_are_followed_a_hundred_times() {
    let last = index(&[]);
    let middle = index(&vec![descriptor(&last); 1000]);
    let first = index(&vec![descriptor(&middle); 1000]);
    let top = index(&vec![descriptor(&first); 1000]);
    let entries = [file("index.json", &top), blob(&first), blob(&middle), blob(&last)];
    refused(&entries, "has more than 100 indexes");
}

#[test]
fn names_that_every_image_would_repeat_are_refused() {
    let empty = index(&[]);
    let mut named = descriptor(&empty);
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "n".repeat(1 << 20)});
    refused(&[file("index.json", &index(&[named])), blob(&empty)], "a name that is too long");
}

#[test]
fn what_an_archive_names_and_lacks_is_said_in_few_words() {
    let saved = json!([{"Config": "c".repeat(1 << 20), "RepoTags": null, "Layers": []}]);
    refused(&[file("manifest.json", &saved.to_string())], "it is not in the archive");
    let saved = json!([{"Config": "../../etc/passwd", "RepoTags": null, "Layers": []}]);
    refused(&[file("manifest.json", &saved.to_string())], "it is not in the archive");
    refused(&[file("index.json", "{\"manifests\": 7}")], "invalid type");
    refused(&[file("other", "")], "the archive is no OCI layout");
    refused(
        &[long_name(&[b'n'; 3000]), file("x", "")],
        "has a name that no archive of images holds",
    );
    refused(&[file("../index.json", "{}")], "leads out of the tree");
}
