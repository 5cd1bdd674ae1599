//! What can go wrong: with the store itself, and with a tree or an archive meant to be a layer.

use kiln_names::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// An operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{action} {}", path.display())]
    Io {
        /// What was being done, as "open" or "rename".
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Nothing of that kind has that digest.
    #[error("the image store has no {what} {digest}")]
    Missing {
        /// "image", "layer" or "blob".
        what: &'static str,
        /// The digest asked for.
        digest: Digest,
    },
    /// Content is not what its name says.
    #[error("the content has digest {found}, expected {expected}")]
    Mismatch {
        /// The digest it was announced or stored under.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// A document of an image is larger than any honest one.
    #[error("the {what} has {size} bytes: at most {limit} are taken")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// No kernel would mount that many layers.
    #[error("an image of {count} layers: at most {} can be mounted", crate::MAX_LAYERS)]
    TooManyLayers {
        /// How many there are.
        count: usize,
    },
    /// A manifest, configuration or index cannot be read.
    #[error("read the {what}")]
    Malformed {
        /// "index", or which document.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// An image is well formed but not of the kind this store keeps.
    #[error("image {digest} {reason}")]
    Unsupported {
        /// The image.
        digest: Digest,
        /// Reads after its name.
        reason: &'static str,
    },
    /// A tree or an archive cannot be a layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

/// A tree cannot become a layer, or an archive cannot be unpacked as one.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A limit of [`crate::Limits`] was met.
    #[error("{path:?}: more than {limit} {what}")]
    Limit {
        /// Where it was met.
        path: String,
        /// The figure.
        limit: u64,
        /// What it counts, as "entries" or "bytes in one file".
        what: &'static str,
    },
    /// An entry that no layer may hold.
    #[error("{path:?} {reason}")]
    Refused {
        /// The entry.
        path: String,
        /// Reads after its name.
        reason: &'static str,
    },
    /// The archive is not a tar archive, or is cut short.
    #[error("not a whole tar archive: {0}")]
    Archive(&'static str),
    /// Reading or writing an entry failed.
    #[error("{path:?}")]
    Io {
        /// The entry, or what stands for it.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl LayerError {
    /// Refuses the entry at `path`.
    pub(crate) fn refused(path: &[u8], reason: &'static str) -> Self {
        Self::Refused { path: shown(path), reason }
    }
}

/// Says what was being done, and to what, when the system refuses.
pub(crate) trait Context<T> {
    /// As an error of the store: `action` on a file of the host.
    fn on(self, action: &'static str, path: &Path) -> Result<T, Error>;
    /// As an error of a layer: at an entry within it.
    fn within(self, path: &[u8]) -> Result<T, LayerError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.to_owned(), source: source.into() })
    }

    fn within(self, path: &[u8]) -> Result<T, LayerError> {
        self.map_err(|source| LayerError::Io { path: shown(path), source: source.into() })
    }
}

/// A path for people: not necessarily UTF-8, and cut, as it may come from a stranger.
pub(crate) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(200).collect()
}
