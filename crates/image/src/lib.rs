//! The image store: OCI images and their layers in one directory on local disk.
//!
//! ```text
//! images/                          0700: layers hold set-user-id files that are not this host's
//! ├── oci-layout                   an OCI image layout, readable by other tools
//! ├── index.json                   one descriptor per image, sorted by digest
//! ├── lock                         held while index.json is rewritten or garbage is collected
//! ├── blobs/sha256/<hex>           manifests, configurations, layers as plain tar
//! ├── layers/<hex>/root/           a layer unpacked: shared, never written again
//! ├── layers/<hex>/complete        says that `root/` is whole, and until when that can be believed
//! └── staging/<process>-<n>…       what is being made; emptied when the first process opens the store
//! ```
//!
//! Layers are kept as plain tar, so the digest of a layer's blob *is* its diff id. Of an image that came
//! with compressed layers those are kept too, so that it is still the image it was. The plain blob is the
//! truth and is on disk before anything refers to it. An unpacked directory is only a copy: small
//! ones are not synced, and `complete` then holds the id of the boot that made them, so that after a
//! power cut they are unpacked again from the blob.
//!
//! A tree is turned into a layer without unpacking: the tar is written from it, its times are set to
//! what the tar says, and the directory itself is renamed to `layers/<hex>`.
//!
//! # Guarantees
//! * Equal trees give equal diff ids, on any day and machine: see [`Clamp`] for times.
//! * Nothing outside a layer's own directory is ever written or followed while unpacking it.
//! * Every file that takes the name of its digest had that digest when it was renamed to it.
//!
//! # Assumptions
//! Kiln runs as root here: whiteouts are device nodes, and `trusted.*` attributes are root's.

pub mod archive;
mod clamp;
mod config;
mod copy;
mod disk;
mod document;
mod error;
mod exchange;
mod hash;
mod limits;
mod packages;
mod remove;
mod stack;
mod store;
mod tree;

pub use clamp::{Clamp, PUBLISHED_TIME};
pub use config::ImageConfig;
pub use copy::{CopyEntry, CopyKind, CopySource};
pub use error::{Error, LayerError};
pub use exchange::{Admitting, Choice, Export, ExportForm, ImageName, ImportError};
pub use limits::{Limits, MAX_LAYERS};
pub use packages::PackageChange;
pub use remove::remove_tree;
pub use stack::Stack;
pub use store::{Collected, Damage, Damaged, Image, Layer, Resolved, Staging, Still, Store};
