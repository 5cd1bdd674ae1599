//! Images in the archives that other tools read and write: OCI layouts in a tar, and what
//! `docker save` makes.
//!
//! ```text
//! archive ─ bundle ─▶ members by name ─ offers ─▶ one image ─ admit ─▶ store
//!                                                   │          │
//!                                     name, platform┘          ├─ blobs as they came, by their digests
//!                                                              └─ inflate ─▶ plain layers, by diff id
//! store ─ export ─▶ archive
//! ```
//!
//! # Guarantees
//! * An image keeps its digest: manifest, configuration and compressed layers are stored byte for
//!   byte as they came. A docker archive has no manifest; the one that it gets here depends on its
//!   configuration and layers alone.
//! * Nothing enters the index unless every digest, size and diff id was true and every layer
//!   unpacked.

mod admit;
mod bundle;
mod error;
mod export;
mod inflate;
mod offers;
mod stream;

pub use admit::Admitting;
pub use error::ImportError;
pub use export::{Export, ExportForm, ImageName};
pub use offers::Choice;
