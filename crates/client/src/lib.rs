//! Typed client of the API: over the data directory's socket, or over TCP with a token.
//!
//! One [`Client`] serves one command: it connects when it first asks, keeps that connection for the
//! next question, and gives a stream of events a connection of its own.

mod calls;
mod client;
mod connection;
mod endpoint;
mod error;
mod events;

pub use calls::LogQuery;
pub use client::Client;
pub use endpoint::Endpoint;
pub use error::ClientError;
pub use events::Events;
