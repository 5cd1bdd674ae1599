//! Versions: names for images, set once.

use crate::text::{Invalid, checked_text};

/// A name for an image within its application, such as `3.14` or `20261121.2`:
/// `[A-Za-z0-9][A-Za-z0-9._+-]*`, at most 64. It is never ordered by its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(String);

impl Version {
    /// The most characters it may have.
    pub const MAX: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`], with the rule, when it is not of the form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        let good = text.len() <= Self::MAX
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            let rule = "a letter or digit, then letters, digits and . _ + -, at most 64 in all";
            Invalid::new(text, "a version", rule)
        })
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
checked_text!(Version);
