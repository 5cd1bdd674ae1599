//! Archives of images.

use crate::in_few_words;
use crate::place::{Place, with_sums};
use kiln_image::Choice;
use std::io::Write as _;
use std::ops::ControlFlow;

/// Bytes of any kind as an archive of images, which are taken whole or not at all.
pub fn archive(input: &[u8]) {
    if input.len() > 256 << 10 {
        return;
    }
    let place = Place::new();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&with_sums(input)).unwrap();
    match place.store.import(file, &Choice::only(), |_| ControlFlow::Continue(())) {
        Err(error) => {
            in_few_words(&error);
            place.check();
            assert_eq!(place.store.images().unwrap(), []);
        }
        Ok(image) => {
            place.check();
            assert_eq!(place.store.images().unwrap(), [image]);
            place.store.lower_dirs(&image).unwrap();
        }
    }
}
