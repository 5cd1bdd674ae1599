//! The time by the clock that stamps files, which is not quite the one that programs read.

use crate::BakeError;
use kiln_image::Staging;
use std::fs;
use std::time::SystemTime;

/// The time now on the file system of `staging`: what is written there from now on is not older.
pub(crate) fn now(staging: &Staging) -> Result<SystemTime, BakeError> {
    let fresh = staging.scratch("now")?;
    let made = fs::metadata(&fresh).and_then(|made| made.modified());
    made.map_err(BakeError::io("read the time of the file system"))
}
