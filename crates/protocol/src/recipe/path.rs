//! Paths within an image and within a service's directory, that can be read in one way only.

use super::MAX_PATH_BYTES;
use kiln_names::Invalid;

/// Where the kernel and Kiln have mounts of their own.
const KEPT: [&str; 4] = ["/proc", "/sys", "/dev", "/run/kiln"];

/// An absolute path without empty, `.` or `..` segments; a slash at the end is dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(String);

impl AbsolutePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not such a path.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let kept = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let good = kept.filter(|rest| rest.is_empty() || is_clean(rest));
        good.map(|rest| Self(format!("/{rest}"))).ok_or_else(|| {
            let rule = "it begins with / and has no empty, . or .. segments";
            Invalid::new(text, "an absolute path", rule)
        })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lies where the kernel and Kiln have mounts of their own.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        KEPT.iter().any(|kept| self.is_within(kept))
    }

    /// Whether it is the directory or lies beneath it.
    #[must_use]
    pub fn is_within(&self, directory: &str) -> bool {
        let rest = self.0.strip_prefix(directory.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
kiln_names::checked_text!(AbsolutePath);

/// A path within the service's directory: relative, without `..`, or `.` for all of it. A `./` before
/// and a slash after it are dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextPath(String);

impl ContextPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not such a path.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let kept = text.strip_prefix("./").unwrap_or(text);
        let kept = kept.strip_suffix('/').unwrap_or(kept);
        let kept = if kept.is_empty() && !text.is_empty() && text != "/" { "." } else { kept };
        let good = kept == "." || is_clean(kept);
        good.then(|| Self(kept.to_owned())).ok_or_else(|| {
            let rule = "it is relative to the service's directory and stays inside";
            Invalid::new(text, "a path to copy from", rule)
        })
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ContextPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
kiln_names::checked_text!(ContextPath);

/// Segments joined by single slashes, of at most [`MAX_PATH_BYTES`], none of them special.
fn is_clean(text: &str) -> bool {
    let segment = |s: &str| !matches!(s, "" | "." | "..") && s.len() <= 255;
    text.len() <= MAX_PATH_BYTES
        && !text.chars().any(char::is_control)
        && text.split('/').all(segment)
}
