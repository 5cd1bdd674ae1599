//! See `kiln_properties::archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::archive(input));
