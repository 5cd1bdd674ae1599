//! See `kiln_properties::recipe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::recipe(input));
