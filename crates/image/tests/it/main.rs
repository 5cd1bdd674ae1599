//! The store as its callers use it. Needs root and a file system with `trusted.*` attributes, as the
//! store does: whiteouts are device nodes and overlays are mounted for real.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic, in its helpers too")]

mod copy;
mod exchange;
mod gc;
mod hostile;
mod images;
mod layers;
mod overlay;
mod stack;
mod support;
