//! Names that people choose: applications, environments, processes, bases.

use crate::text::{Invalid, checked_text};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $max:literal, $hyphen:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The most characters it may have.
            pub const MAX: usize = $max;

            /// Checks `text`.
            ///
            /// # Errors
            /// [`Invalid`], with the rule, when it is not of the form.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if is_name(text, Self::MAX, $hyphen) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Invalid::new(text, $what, $rule))
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        checked_text!($type);
    };
}

name!(
    /// A service in the catalog: `[a-z][a-z0-9-]*`, at most 32.
    AppName,
    "an application name",
    "a lower-case letter, then lower-case letters, digits and hyphens, at most 32 in all",
    32,
    true
);
name!(
    /// Where applications run: `[a-z][a-z0-9]*`, at most 16.
    EnvName,
    "an environment name",
    "a lower-case letter, then lower-case letters and digits, at most 16 in all",
    16,
    false
);
name!(
    /// One way to run an image: `[a-z][a-z0-9]*`, at most 16.
    ProcessName,
    "a process name",
    "a lower-case letter, then lower-case letters and digits, at most 16 in all",
    16,
    false
);
name!(
    /// An image that others are built on: `[a-z][a-z0-9-]*`, at most 32.
    BaseName,
    "a base name",
    "a lower-case letter, then lower-case letters, digits and hyphens, at most 32 in all",
    32,
    true
);
name!(
    /// What an instance keeps beyond its life: `[a-z][a-z0-9-]*`, at most 32.
    VolumeName,
    "a volume name",
    "a lower-case letter, then lower-case letters, digits and hyphens, at most 32 in all",
    32,
    true
);
name!(
    /// A router on another machine: `[a-z][a-z0-9-]*`, at most 32.
    RouterName,
    "a router name",
    "a lower-case letter, then lower-case letters, digits and hyphens, at most 32 in all",
    32,
    true
);

fn is_name(text: &str, max: usize, hyphen: bool) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || (hyphen && byte == b'-');
    text.len() <= max
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_starts_with_a_letter_and_keeps_its_limit() {
        for good in ["a", "hello-world", "a1", &"a".repeat(32)] {
            assert!(AppName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "A", "a_b", "a.b", "ä", "a b", &"a".repeat(33)] {
            assert!(AppName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn environments_and_processes_take_no_hyphen() {
        assert!(EnvName::parse("prod-eu").is_err());
        assert!(ProcessName::parse("web-1").is_err());
    }

    #[test]
    fn a_name_is_checked_when_it_is_read_from_json() {
        assert!(serde_json::from_str::<EnvName>("\"prod\"").is_ok());
        let error = serde_json::from_str::<EnvName>("\"Prod\"").unwrap_err().to_string();
        assert!(error.contains("is not an environment name"), "{error}");
    }
}
