//! Backups: what must last of a Kiln, in one archive that is whole or refused.
//!
//! ```text
//! backup.json                     first: the archive's form, and what was left out
//! kiln.db                         the database, as it was at one moment
//! admin.token secrets.key         with their modes
//! config/APP-ENV.bundle           each configuration, as git bundles it
//! images/oci-layout index.json    the images that the database of that moment knows
//! images/blobs/sha256/HEX
//! manifest.json                   last: every file's length, mode and digest
//! ```
//!
//! What is not in it comes back by itself: unpacked layers from their blobs, instances from the frozen
//! specs in the database, programs from the one that is run. Nor is the install's id: a restored Kiln
//! is another one, which may run beside the first.
//!
//! # Guarantees
//! * Deployments and bakes may go on: the database is copied as it was at one moment, and the images
//!   of that moment are held still by links.
//! * Nothing is placed unless every file of the archive is as its manifest says.
//! * An archive places nothing but these files, wherever it says that they lie.

mod gather;
mod manifest;
mod name;
mod restore;
mod write;

pub use gather::{BackupError, Gathered, ImageChoice, Sources};
pub use restore::{RestoreError, Restored, restore};
pub use write::Written;
