//! Content addresses: image digests, release ids, git commits.

use crate::text::{Invalid, checked_text};
use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 hexadecimal digits: the name of any content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// A digest that was computed piece by piece.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `sha256:<64 hex>`.
    ///
    /// # Errors
    /// [`Invalid`] for another algorithm, length or alphabet.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.strip_prefix("sha256:").and_then(hash_from_hex).map(Self).ok_or_else(|| {
            Invalid::new(text, "a digest", "sha256: and 64 lower-case hexadecimal digits")
        })
    }

    /// The 64 hexadecimal digits alone, as used in file names.
    #[must_use]
    pub fn hex(&self) -> String {
        to_hex(&self.0)
    }

    /// The first 12 hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        to_hex(&self.0[..6])
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}
checked_text!(Digest);

/// A release: the sha256 of its canonical JSON, shown as `r-` and 12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId([u8; 32]);

impl ReleaseId {
    /// The id of a release whose canonical JSON is `canonical`.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        Self(Sha256::digest(canonical).into())
    }

    /// Reads the whole id: `r-<64 hex>`.
    ///
    /// # Errors
    /// [`Invalid`] for anything else; what people type may be shorter and is looked up instead.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.strip_prefix("r-").and_then(hash_from_hex).map(Self).ok_or_else(|| {
            Invalid::new(text, "a release id", "r- and 64 lower-case hexadecimal digits")
        })
    }

    /// `r-` and 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        format!("r-{}", to_hex(&self.0[..6]))
    }
}

impl std::fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r-{}", to_hex(&self.0))
    }
}
checked_text!(ReleaseId);

/// A git commit: 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// Reads 40 hexadecimal digits.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut bytes = [0; 20];
        from_hex(text, &mut bytes)
            .then_some(Self(bytes))
            .ok_or_else(|| Invalid::new(text, "a commit", "40 lower-case hexadecimal digits"))
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        to_hex(&self.0[..6])
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}
checked_text!(CommitId);

fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    from_hex(text, &mut bytes).then_some(bytes)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fills `into` from exactly twice as many lower-case digits; false when `text` is not that.
pub(crate) fn from_hex(text: &str, into: &mut [u8]) -> bool {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    pairs.len() == into.len()
        && rest.is_empty()
        && pairs.iter().zip(into).all(|([high, low], byte)| match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => {
                *byte = high << 4 | low;
                true
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_shows() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(text), Ok(digest));
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn a_digest_of_another_algorithm_or_length_is_refused() {
        for bad in ["", "sha256:", "sha512:00", "e3b0c44298fc", &format!("sha256:{:064X}", 10)] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }
}
