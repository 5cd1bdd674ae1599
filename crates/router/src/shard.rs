//! Values that every thread has a copy of its own of, so that cores do not pass cache lines about.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many copies there are: more threads than this share.
const SHARDS: usize = 8;

/// One `T` per thread, roughly: threads are numbered as they first ask, modulo [`SHARDS`].
#[derive(Debug, Default)]
pub(crate) struct Sharded<T>([Padded<T>; SHARDS]);

/// Kept apart from its neighbours: 128 bytes, as processors fetch cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

static NEXT: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

impl<T> Sharded<T> {
    /// This thread's copy.
    pub(crate) fn mine(&self) -> &T {
        &self.0[MINE.with(|mine| *mine)].0
    }

    /// All copies, this thread's first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        let mine = MINE.with(|mine| *mine);
        (0..SHARDS).map(move |step| &self.0[(mine + step) % SHARDS].0)
    }
}
