//! See `kiln_properties::control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::control(input));
