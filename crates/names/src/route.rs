//! Routes: a host and a path prefix.

use crate::text::{Invalid, checked_text};

/// A host name as it stands in a request's `Host`, without a port: labels of letters, digits and
/// hyphens joined by dots, in lower case, at most 253 in all and 63 each. (RFC 1123 §2.1.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// Checks `text`, folding it to lower case.
    ///
    /// # Errors
    /// [`Invalid`] when it is not a host name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let folded = text.to_ascii_lowercase();
        let good = folded.len() <= 253 && folded.split('.').all(is_label);
        good.then_some(Self(folded)).ok_or_else(|| {
            let rule = "labels of letters, digits and hyphens joined by dots, without a port";
            Invalid::new(text, "a host", rule)
        })
    }

    /// The host as text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
checked_text!(Host);

/// A path prefix that matches by whole segments: `/api` takes `/api` and `/api/x`, not `/apix`.
/// It starts with `/`, has no trailing `/` but the root's own, and at most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Checks `text`; a trailing slash is dropped.
    ///
    /// # Errors
    /// [`Invalid`] when it is not a path of plain segments.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let trimmed = text.trim_end_matches('/');
        let plain = |b: u8| b.is_ascii_graphic() && !b"?#%\\\"<>{}|^`".contains(&b);
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(plain);
        let good = text.starts_with('/')
            && text.len() <= 1024
            && (trimmed.is_empty() || trimmed[1..].split('/').all(segment));
        let kept = if trimmed.is_empty() { "/" } else { trimmed };
        good.then(|| Self(kept.to_owned())).ok_or_else(|| {
            let rule = "/ and plain segments: no query, escapes, empty or dot segments";
            Invalid::new(text, "a path prefix", rule)
        })
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request for `path` (without its query) falls under this prefix.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        self.0 == "/"
            || path
                .strip_prefix(self.0.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
checked_text!(PathPrefix);

/// Where a cluster is reached: one host and one path prefix.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The host.
    pub host: Host,
    /// The path prefix, `/` unless told.
    #[serde(default = "root")]
    pub path: PathPrefix,
}

fn root() -> PathPrefix {
    PathPrefix("/".to_owned())
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_by_whole_segments() {
        let api = PathPrefix::parse("/api/").unwrap();
        assert_eq!(api.as_str(), "/api");
        assert!(api.takes("/api") && api.takes("/api/") && api.takes("/api/x"));
        assert!(!api.takes("/apix") && !api.takes("/") && !api.takes("/x/api"));
        assert!(PathPrefix::parse("/").unwrap().takes("/anything"));
    }

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_refused() {
        for bad in ["", "api", "/a//b", "/a/../b", "/a%2f", "/a?b", "/a b", "/."] {
            assert!(PathPrefix::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_folded_to_lower_case_and_has_no_port() {
        assert_eq!(Host::parse("Hello.Prod.localhost").unwrap().as_str(), "hello.prod.localhost");
        for bad in ["", "a:80", ".a", "a.", "-a", "a_b", "a..b"] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }
}
