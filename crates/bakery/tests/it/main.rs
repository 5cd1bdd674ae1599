//! The bakery with real bases, real containers and real packages. As root, on Linux.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bakes;
mod bases;
mod files;
mod hostile;
mod kitchen;
mod packages;
mod small;
