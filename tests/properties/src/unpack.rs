//! Archives of trees.

use crate::in_few_words;
use crate::place::{Place, with_sums};
use kiln_image::{Clamp, Limits, Store};
use kiln_names::{ByteSize, Digest};

/// Small enough that no input makes a large tree.
fn limits() -> Limits {
    Limits { entries: 200, total: ByteSize::mib(1), ..Limits::default() }
}

/// Bytes of any kind as the archive of a root file system, and as a layer.
pub fn unpack(input: &[u8]) {
    let bytes = with_sums(input);
    if bytes.len() > 256 << 10 {
        return;
    }
    as_rootfs(&bytes);
    as_layer(&bytes);
}

/// What is taken is packed in one way: unpacked and packed again it is the same.
fn as_rootfs(bytes: &[u8]) {
    let place = Place::new();
    match commit(&place.store, bytes) {
        Err(error) => {
            in_few_words(&error);
            place.check_empty();
        }
        Ok(layer) => {
            place.check();
            let packed = std::fs::read(place.part("blobs/sha256").join(layer.hex())).unwrap();
            assert_eq!(commit(&place.store, &packed).unwrap(), layer);
        }
    }
}

fn commit(store: &Store, bytes: &[u8]) -> Result<Digest, kiln_image::Error> {
    let staging = store.unpack_rootfs(bytes, &limits())?;
    Ok(store.commit_layer(staging, Clamp::keep())?.diff_id)
}

fn as_layer(bytes: &[u8]) {
    let place = Place::new();
    let digest = Digest::of(bytes);
    place.store.cache_blob(&digest, bytes).unwrap();
    match place.store.layer_dir(&digest) {
        Err(error) => {
            in_few_words(&error);
            place.check_empty();
        }
        Ok(_) => place.check(),
    }
}
