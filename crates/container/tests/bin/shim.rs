//! `kiln-shim shim DIR` and `kiln-shim enter DIR …`: these two alone, for this crate's tests.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|role| role == "enter") {
        return kiln_container::shim::visit::main(arguments);
    }
    let dir = arguments.next().map(PathBuf::from).expect("kiln-shim shim DIR");
    kiln_container::shim::main(&dir)
}
