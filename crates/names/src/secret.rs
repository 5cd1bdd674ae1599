//! Secrets: their names, their versions, and values that nobody gets to see.

use crate::text::{Invalid, checked_text};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What a secret is called, and its file in an instance: `[A-Za-z][A-Za-z0-9._-]*`, at most 64.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// The most characters it may have.
    pub const MAX: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`], with the rule, when it is not of the form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        // A first letter rules out `.` and `..`, hidden files, and what reads like an option.
        let good = text.len() <= Self::MAX
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
            && text.bytes().all(allowed);
        let rule =
            "a letter, then letters, digits, dots, hyphens and underscores, at most 64 in all";
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| Invalid::new(text, "a secret's name", rule))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
checked_text!(SecretName);

/// Which value of a secret: counted from 1 for each name of an application in an environment, and
/// never given to another value.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct SecretVersion(pub u32);

impl std::fmt::Display for SecretVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of each secret, by name: all that may be written down about them.
pub type SecretVersions = BTreeMap<SecretName, SecretVersion>;

/// The value of a secret: any bytes, not none. It is not printed, not copied, and overwritten when it
/// is dropped.
#[derive(PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

/// Bytes that cannot be a secret's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretValueError {
    /// There are none.
    #[error("the value is empty")]
    Empty,
    /// There are too many.
    #[error("the value is longer than {} KiB", SecretValue::MAX >> 10)]
    TooLong,
}

impl SecretValue {
    /// The most bytes it may have: certificates with their chains fit, files that belong into an
    /// image do not.
    pub const MAX: usize = 64 << 10;

    /// Takes the bytes over.
    ///
    /// # Errors
    /// [`SecretValueError`]; the bytes are overwritten then, too.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretValueError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(SecretValueError::Empty),
            length if length > Self::MAX => Err(SecretValueError::TooLong),
            _ => Ok(Self(bytes)),
        }
    }
}

impl AsRef<[u8]> for SecretValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_file_name() {
        for good in ["a", "DATABASE_URL", "tls.key", "api-token-2", &"a".repeat(64)] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "1a", "-a", "_a", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert!(SecretName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_is_neither_empty_nor_large_and_never_shown() {
        assert_eq!(SecretValue::new(Vec::new()).unwrap_err(), SecretValueError::Empty);
        assert!(SecretValue::new(vec![1; SecretValue::MAX]).is_ok());
        let long = SecretValue::new(vec![1; SecretValue::MAX + 1]).unwrap_err();
        assert_eq!(long.to_string(), "the value is longer than 64 KiB");
        let value = SecretValue::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{value:?}"), "SecretValue(…)");
        assert_eq!(value.as_ref(), b"hunter2");
    }

    #[test]
    fn versions_are_written_as_names_and_numbers() {
        let name = SecretName::parse("tls.key").unwrap();
        let versions = SecretVersions::from([(name, SecretVersion(3))]);
        let text = serde_json::to_string(&versions).unwrap();
        assert_eq!(text, r#"{"tls.key":3}"#);
        assert_eq!(serde_json::from_str::<SecretVersions>(&text).unwrap(), versions);
    }
}
