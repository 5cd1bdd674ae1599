//! `kiln-shim shim DIR`: the shim alone, for this crate's tests.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let dir = std::env::args_os().nth(2).map(PathBuf::from).expect("kiln-shim shim DIR");
    kiln_container::shim::main(&dir)
}
