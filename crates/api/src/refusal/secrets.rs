//! Refusals of the vault.

use super::Refusal;
use kiln_catalog::CatalogError;
use kiln_protocol::Code;
use kiln_secrets::SecretError;

impl From<SecretError> for Refusal {
    fn from(error: SecretError) -> Self {
        use SecretError as E;
        match error {
            E::Nowhere { kind, name } => CatalogError::NotFound { kind, name }.into(),
            E::NotFound(_) => {
                Self::of(Code::SecretNotFound, &error).hint("kiln secret list APP ENV")
            }
            E::TooMany => Self::of(Code::Invalid, &error),
            E::Key(_) | E::Store(_) => Self::internal(&error),
        }
    }
}
