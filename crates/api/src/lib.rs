//! The API: thin handlers over the crates that do the work, and their OpenAPI description.
//!
//! ```text
//! request ─ serve (connection, token) ─ routes ─ handler ─▶ catalog, config, bakery, deploy, …
//!                                                 │
//!                                                 └─ refusal: every error, as a problem document
//! ```
//!
//! A handler reads its inputs through [`request`], calls one crate, and turns what comes back into
//! the protocol's types. It decides nothing.
//!
//! # Guarantees
//! * Every refusal, of unknown paths and malformed bodies too, is a problem document with a stable
//!   code; git alone is told in plain text, which is all that it shows.
//! * Nothing is answered over TCP without the token. The socket is its own lock: only root opens it.
//! * Bodies, headers, answers and connections have limits; see [`serve`] and [`request`].

mod app;
mod events;
mod handlers;
mod openapi;
mod refusal;
mod request;
mod routes;
mod serve;
mod token;

pub use app::App;
pub use openapi::document;
pub use refusal::Refusal;
pub use routes::router;
pub use serve::{bind_unix, serve_tcp, serve_unix};
pub use token::{pull_token, router_token};
