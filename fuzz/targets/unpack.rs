//! See `kiln_properties::unpack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::unpack(input));
