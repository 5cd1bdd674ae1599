//! Refusals of the catalog.

use super::Refusal;
use kiln_catalog::CatalogError;
use kiln_protocol::Code;

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        use CatalogError as E;
        match &error {
            E::Exists { .. } => Self::of(Code::Exists, &error),
            E::NotFound { kind, name } => {
                let (code, verb) = match *kind {
                    "application" => (Code::AppNotFound, "app"),
                    _ => (Code::EnvNotFound, "env"),
                };
                let hint = format!("kiln {verb} list, or kiln {verb} create {name}");
                Self::of(code, &error).hint(hint)
            }
            E::NoProperty { .. } => Self::of(Code::KeyNotFound, &error),
            E::InUse { .. } => Self::of(Code::InUse, &error).hint("kiln stop APP ENV comes first."),
            E::UnknownEngine { .. } => Self::of(Code::NotSupported, &error),
            E::Metadata(_) => Self::of(Code::Invalid, &error),
            E::Store(_) => Self::internal(&error),
        }
    }
}
