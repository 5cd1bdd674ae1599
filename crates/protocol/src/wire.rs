//! Names of headers and events that client and server share.

/// Who asks, for people to read; it opens no door.
pub const USER_HEADER: &str = "x-kiln-user";

/// The media type of a stream of events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// What a client of a stream that broke hands back: the last id that it was told.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// The name of the event that ends a stream with a [`crate::Problem`].
pub const PROBLEM_EVENT: &str = "problem";
