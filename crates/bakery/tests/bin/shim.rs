//! What the tests of the bakery run as a shim, in place of `kiln shim`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let dir = std::env::args_os().nth(2).unwrap_or_default();
    kiln_container::shim::main(Path::new(&dir))
}
