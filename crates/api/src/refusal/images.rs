//! Refusals of the image store.

use super::Refusal;
use kiln_image::Error;
use kiln_protocol::Code;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Mismatch { .. } => Self::of(Code::DigestMismatch, &error),
            Error::Missing { what: "image", .. } => Self::of(Code::ImageNotFound, &error),
            _ => Self::internal(&error),
        }
    }
}
