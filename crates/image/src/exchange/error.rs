//! Why an archive gives no image.

use crate::error::{Error, LayerError};
use kiln_names::{ByteSize, Digest};

/// Why an archive gives no image. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It holds neither of the two documents that say which images there are.
    #[error(
        "find an image: the archive is no OCI layout (index.json) and not from docker save (manifest.json)"
    )]
    NoImages,
    /// Something that its documents name is not in it.
    #[error("find {path}: it is not in the archive")]
    Lacks {
        /// The name of the member.
        path: String,
    },
    /// A document is not what it has to be.
    #[error("read {what}")]
    Malformed {
        /// Which one.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A document says what no image here can be.
    #[error("take {what}: it {reason}")]
    Refused {
        /// Which document, layer or image.
        what: String,
        /// Reads after its name.
        reason: String,
    },
    /// Content has another length than its descriptor says.
    #[error("take {digest}: it has {found} bytes, its descriptor says {stated}")]
    Length {
        /// The content.
        digest: Digest,
        /// What was stated.
        stated: u64,
        /// What was found.
        found: u64,
    },
    /// Compressed content grows beyond what is believed.
    #[error("unpack: {compressed} grow to more than {limit}")]
    Bomb {
        /// What came.
        compressed: ByteSize,
        /// As far as it was followed.
        limit: ByteSize,
    },
    /// None of the images is the one asked for.
    #[error("find {asked}: the archive has {}", listed(offered))]
    NoMatch {
        /// What was asked for, in words.
        asked: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// More than one image is what was asked for.
    #[error("choose among {}", listed(offered))]
    Ambiguous {
        /// Those that fit.
        offered: Vec<String>,
    },
    /// Whoever asked does not wait any more.
    #[error("go on: nobody waits for the image any more")]
    Abandoned,
    /// The store refused, or content is not what its digest says.
    #[error("store the image")]
    Store(#[from] Error),
    /// The archive or a layer in it is not one.
    #[error("read the archive")]
    Archive(#[from] LayerError),
}

/// How many images a message lists.
const SHOWN: usize = 10;

fn listed(offered: &[String]) -> String {
    let more = offered.len().saturating_sub(SHOWN);
    let mut text = offered[..offered.len() - more].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    if text.is_empty() { String::from("no image") } else { text }
}

impl ImportError {
    /// Refuses something that a document says.
    pub(super) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), reason: reason.into() }
    }
}
