//! What an image was built for.

use crate::text::{Invalid, checked_text};

/// What an image was built for, as `linux/amd64` or `linux/arm64/v8`, in OCI's and Go's words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// The longest part.
    const MAX: usize = 32;

    /// Reads `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(text, "a platform", "as linux/amd64 or linux/arm64/v8");
        let mut parts = text.split('/');
        let mut part = || parts.next().filter(|part| is_part(part)).map(str::to_owned);
        let (os, architecture) = part().zip(part()).ok_or_else(invalid)?;
        let variant = part();
        let length = [Some(&os), Some(&architecture), variant.as_ref()]
            .iter()
            .flatten()
            .map(|part| part.len() + 1)
            .sum::<usize>();
        if length != text.len() + 1 {
            return Err(invalid());
        }
        Ok(Self { os, architecture, variant })
    }

    /// The platform of this program, and so of the machine that it runs on.
    #[must_use]
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// As OCI and Go call it: `amd64`, `arm64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Whether an image for `other` is one for this: a variant counts only where this names one.
    #[must_use]
    pub fn takes(&self, other: &Self) -> bool {
        let variant = self.variant.is_none() || self.variant == other.variant;
        self.os == other.os && self.architecture == other.architecture && variant
    }
}

fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=Platform::MAX).contains(&part.len()) && part.bytes().all(allowed)
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}
checked_text!(Platform);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_reads_back_what_it_shows_and_nothing_else_is_one() {
        for good in ["linux/amd64", "linux/arm64/v8", "windows/amd64"] {
            assert_eq!(Platform::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "linux", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "linux/am d64"] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_counts_only_where_it_is_asked_for() {
        let check = |asked: &str, found: &str, expected: bool| {
            let (asked, found) = (Platform::parse(asked).unwrap(), Platform::parse(found).unwrap());
            assert_eq!(asked.takes(&found), expected, "{asked} {found}");
        };
        check("linux/arm64", "linux/arm64/v8", true);
        check("linux/arm/v7", "linux/arm/v6", false);
        check("linux/amd64", "linux/arm64", false);
        check("linux/amd64", "windows/amd64", false);
    }
}
