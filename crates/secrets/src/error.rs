//! What can go wrong with secrets. No message holds anything of a value.

use kiln_names::{SecretName, SecretVersion};
use kiln_store::StoreError;
use std::io;
use std::path::PathBuf;

/// Why there is no key to work with. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there, though secrets are.
    #[error(
        "read the key of the secrets: {} is missing; put it back from its backup with mode 0400 \
         (docs/secrets.md tells what to do when there is none)", .0.display()
    )]
    Missing(PathBuf),
    /// Others can read it.
    #[error("use the key of the secrets: others may read it; chmod 400 {}", .0.display())]
    Loose(PathBuf),
    /// It belongs to somebody else.
    #[error("use the key of the secrets: it is another user's; chown {uid} {}", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Whose it should be.
        uid: u32,
    },
    /// It is no key.
    #[error("use the key of the secrets: {} is not a file of 32 bytes", .0.display())]
    Form(PathBuf),
    /// It is another key.
    #[error(
        "use the key of the secrets: {} is not the one that they were sealed with; put that one \
         back from its backup", .0.display()
    )]
    Wrong(PathBuf),
    /// It cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be made.
    #[error("make {}", path.display())]
    Make {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database refused.
    #[error("look for secrets")]
    Store(#[from] StoreError),
}

/// Why a secret was not set, listed or removed. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such application or environment.
    #[error("there is no {kind} {name}")]
    Nowhere {
        /// `application` or `environment`.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// There is no such secret.
    #[error("there is no secret {0}")]
    NotFound(SecretName),
    /// There are enough.
    #[error("an application has at most {} secrets in an environment", crate::MAX_SECRETS)]
    TooMany,
    /// There is no key to seal it with.
    #[error("seal the secret")]
    Key(#[from] KeyError),
    /// The database refused.
    #[error("keep the secret")]
    Store(#[from] StoreError),
}

/// Why a version has no value for an instance. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was erased.
    #[error("open secret {name}@{version}: it is not kept any more")]
    Erased {
        /// The secret.
        name: SecretName,
        /// The version.
        version: SecretVersion,
    },
    /// It is not what was sealed.
    #[error("open secret {name}@{version}: it was damaged, or sealed as another; set it again")]
    Damaged {
        /// The secret.
        name: SecretName,
        /// The version.
        version: SecretVersion,
    },
    /// There is no key.
    #[error("open the secrets")]
    Key(#[from] KeyError),
    /// The database refused.
    #[error("open the secrets")]
    Store(#[from] StoreError),
}
