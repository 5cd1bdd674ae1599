//! The kiln binary: settings, wiring, processes.
fn main() {}
