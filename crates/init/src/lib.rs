//! What an instance is told when it starts, and how its settings are written for it.
//!
//! The library holds the words only: whoever launches an instance depends on it. The program beside
//! it (`kiln-init`) reads them inside the instance.

mod properties;
mod spec;

pub use properties::java_properties;
pub use spec::{HEARTBEAT, InitSpec, PROGRAM, RUN_DIR, SPEC_PATH, SPEC_VARIABLE, VERSION};
