//! Packages of a distribution.

use kiln_names::Invalid;

/// A package as package managers take it: `nginx-light`, `g++`, `libc6:amd64`, `python3=3.11.2-1`.
///
/// It can neither be taken for an option, nor for apt's other requests: a pattern, a task (`x^`), a
/// release (`x/stable`), a removal (`x-`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package(String);

impl Package {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`], with the rule, when it is not of the form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, version) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let good = text.len() <= 256 && is_name(name) && version.is_none_or(is_version);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            let rule = "a package's name, perhaps with :ARCHITECTURE and =VERSION";
            Invalid::new(text, "a package", rule)
        })
    }

    /// The whole request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, with its architecture if it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('=').map_or(self.as_str(), |(name, _)| name)
    }

    /// The version that was asked for.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.0.split_once('=').map(|(_, version)| version)
    }
}

fn is_name(text: &str) -> bool {
    let (name, architecture) = text.split_once(':').map_or((text, "any"), |pair| pair);
    is_word(name, b"+._-")
        && !name.ends_with('-')
        && is_word(architecture, b"_-")
        && !architecture.ends_with('-')
}

fn is_version(text: &str) -> bool {
    is_word(text, b".+~:_^-")
}

fn is_word(text: &str, also: &[u8]) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
kiln_names::checked_text!(Package);
