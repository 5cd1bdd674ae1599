//! What the load may at most be: enough for every measurement on one machine, and too little to
//! harm it when somebody forgets to stop.

use std::time::Duration;

/// Clients of one kind.
pub const MAX_CLIENTS: usize = 64;
/// Requests that one client begins in a second.
pub const MAX_RATE: u32 = 2_000;
/// Requests in a second, at a fixed rate.
pub const MAX_OFFER: u32 = 20_000;
/// Requests at a fixed rate that wait for their answers; those that come on top are not begun.
pub const MAX_IN_FLIGHT: usize = 4096;
/// How long clients ask, whether they are told to stop or not.
pub const MAX_TIME: Duration = Duration::from_secs(15 * 60);
/// Bytes of an answer.
pub const MAX_BODY_BYTES: usize = 64 << 20;
/// Bytes of what a poster sends.
pub const MAX_POST_BYTES: usize = 64 << 10;
/// How long an answer may take; a slow reader's begins to count when it has the head.
pub const MAX_WAIT: Duration = Duration::from_secs(10);
/// How long a slow reader may take for a whole body.
pub const MAX_READ: Duration = Duration::from_secs(60);
/// Failures of one kind of client that are kept in full; the rest are counted.
pub const KEPT_REASONS: usize = 5;
