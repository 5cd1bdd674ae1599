//! The image that a person means.

use crate::refusal::Refusal;
use kiln_names::{Digest, ImageRef};
use kiln_protocol::Code;
use kiln_store::{Connection, images};

/// The image that a person means.
pub(in crate::handlers) async fn resolve(
    db: &mut Connection,
    image: &ImageRef,
) -> Result<Digest, Refusal> {
    match image {
        ImageRef::Digest(digest) => Ok(*digest),
        ImageRef::Version(app, version) => {
            let row = images::version(db, app, version).await?;
            row.map(|row| row.digest).ok_or_else(|| not_found(image))
        }
        ImageRef::Prefix(hex) => match *images::images_by_prefix(db, hex, 2).await?.as_slice() {
            [one] => Ok(one),
            [] => Err(not_found(image)),
            _ => {
                let detail = format!("more than one image begins with {hex}");
                Err(Refusal::new(Code::Ambiguous, detail).hint("give more digits."))
            }
        },
    }
}

/// There is none.
pub(super) fn not_found(image: &ImageRef) -> Refusal {
    Refusal::new(Code::ImageNotFound, format!("there is no image {image}")).hint("kiln image list")
}
