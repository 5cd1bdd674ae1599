//! See `kiln_properties::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kiln_properties::configuration(input));
