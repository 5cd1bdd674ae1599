//! How people point at an image.

use crate::text::{Invalid, checked_text};
use crate::{AppName, Digest, Version};

/// What a person may type for an image; resolved to a [`Digest`] once, and recorded as that.
#[derive(Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// The whole digest.
    Digest(Digest),
    /// At least 4 hexadecimal digits of one, with or without `sha256:`; must be unambiguous.
    Prefix(String),
    /// `APP:VERSION`.
    Version(AppName, Version),
}

impl ImageRef {
    /// The fewest hexadecimal digits of a prefix.
    pub const MIN_PREFIX: usize = 4;

    /// Reads a digest, a prefix of one, or `APP:VERSION`.
    ///
    /// # Errors
    /// [`Invalid`] when it is none of these.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if let Ok(digest) = Digest::parse(text) {
            return Ok(Self::Digest(digest));
        }
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if (Self::MIN_PREFIX..=64).contains(&hex.len()) && hex.bytes().all(is_hex) {
            return Ok(Self::Prefix(hex.to_owned()));
        }
        let invalid = || {
            let rule = "a digest, at least 4 hexadecimal digits of one, or APP:VERSION";
            Invalid::new(text, "an image", rule)
        };
        let (app, version) = text.split_once(':').ok_or_else(invalid)?;
        Ok(Self::Version(AppName::parse(app)?, Version::parse(version)?))
    }
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Prefix(hex) => f.write_str(hex),
            Self::Version(app, version) => write!(f, "{app}:{version}"),
        }
    }
}
checked_text!(ImageRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_digest_a_prefix_or_a_version() {
        assert!(matches!(ImageRef::parse("cafe"), Ok(ImageRef::Prefix(_))));
        assert!(matches!(ImageRef::parse("sha256:cafe12"), Ok(ImageRef::Prefix(_))));
        assert!(matches!(ImageRef::parse("hello:3.14"), Ok(ImageRef::Version(..))));
        for bad in ["", "caf", "hello", "hello:", ":1", "Hello:1"] {
            assert!(ImageRef::parse(bad).is_err(), "{bad}");
        }
    }
}
