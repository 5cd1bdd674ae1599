//! Typed client of the API: over the data directory's socket, or over TCP with a token.
//!
//! One [`Client`] serves one command: it connects when it first asks, keeps that connection for the
//! next question, and connects again only for what goes on at the same time.

mod calls;
mod client;
mod connection;
mod download;
mod endpoint;
mod error;
mod events;

pub use calls::{Archive, LogQuery};
pub use client::Client;
pub use download::Download;
pub use endpoint::Endpoint;
pub use error::ClientError;
pub use events::Events;
