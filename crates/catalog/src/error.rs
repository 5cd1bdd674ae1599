//! What can go wrong in the catalog.

use crate::MetadataError;
use kiln_store::StoreError;

/// Why the catalog refused. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The name is taken.
    #[error("the {kind} {name} exists already")]
    Exists {
        /// `application` or `environment`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none of that name.
    #[error("there is no {kind} {name}")]
    NotFound {
        /// `application` or `environment`.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The metadata has no such property.
    #[error("the {kind} {name} has no {key}")]
    NoProperty {
        /// `application` or `environment`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The dotted path that was asked for.
        key: String,
    },
    /// Something still runs there.
    #[error("the {kind} {name} is in use: {}", holders.join(", "))]
    InUse {
        /// `application` or `environment`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What holds it.
        holders: Vec<String>,
    },
    /// No engine is called that.
    #[error("there is no engine {engine:?}: known are {}", known.join(", "))]
    UnknownEngine {
        /// What was asked for.
        engine: String,
        /// The engines there are.
        known: &'static [&'static str],
    },
    /// The metadata cannot become that.
    #[error("edit the metadata")]
    Metadata(#[from] MetadataError),
    /// The database refused.
    #[error("keep the catalog")]
    Store(#[from] StoreError),
}
