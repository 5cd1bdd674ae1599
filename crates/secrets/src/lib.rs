//! Secrets of applications: set, listed, removed; read back by nobody but the instances that have
//! them.
//!
//! ```text
//! set ─ seal ─▶ database ─ open ─▶ whoever starts an instance
//!        │                  │
//!        └── the key: DATA/secrets.key, or a credential of the service manager
//! ```
//!
//! A value is sealed by XChaCha20-Poly1305 under one key, with a random nonce, as one version of one
//! secret of one application in one environment: moved anywhere else, it does not open.
//!
//! # Guarantees
//! * No value leaves through anything but [`Vault::open_all`]; none is printed, logged or told in an
//!   error.
//! * A set that was acknowledged outlives a crash, and its key was on disk before it.
//! * A version stands for one value for ever.

mod error;
mod key;
mod seal;
mod vault;

pub use error::{KeyError, OpenError, SecretError};
pub use key::KeyFile;
pub use kiln_store::audit::By;
pub use kiln_store::secrets::SecretRow;
pub use vault::{Removed, Set, Settings, Vault};

/// How many secrets an application may have in an environment: each is a file in each instance.
pub const MAX_SECRETS: usize = 64;

/// How many versions of a secret are kept that nothing needs: enough to go back some deployments,
/// few enough that a value rotated every hour does not fill the disk.
pub const KEPT_VERSIONS: u32 = 16;
