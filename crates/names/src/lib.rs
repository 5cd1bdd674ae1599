//! Names, ids, digests and sizes: the words every other crate speaks in.
//!
//! Each type checks its text once, when it is made, so that code which holds one never checks again.
//! Nothing here reads a clock, a file or a random number.

mod digest;
mod duration;
mod group;
mod hex_id;
mod image_ref;
mod name;
mod platform;
mod route;
mod schema;
mod secret;
mod size;
mod text;
mod version;

pub use digest::{CommitId, Digest, ReleaseId};
pub use duration::Span;
pub use group::{GroupName, GroupNumber};
pub use hex_id::{DeploymentId, GroupId, InstallId, InstanceId};
pub use image_ref::ImageRef;
pub use name::{AppName, BaseName, EnvName, ProcessName, RouterName, VolumeName};
pub use platform::Platform;
pub use route::{Host, PathPrefix, Route};
pub use secret::{SecretName, SecretValue, SecretValueError, SecretVersion, SecretVersions};
pub use size::ByteSize;
pub use text::Invalid;
pub use version::Version;

#[cfg(feature = "schema")]
#[doc(hidden)]
pub use utoipa;
