//! See `kiln_properties::names`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::names(input));
