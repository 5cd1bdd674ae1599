//! How people point at a commit of a configuration.

use kiln_names::{CommitId, Invalid};

/// What a person may type for a commit. Nothing else of git's own language is understood: no branch,
/// no path, no option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// `HEAD`, the newest; or `HEAD~3`, so many before it.
    Before(u32),
    /// A whole commit id.
    Commit(CommitId),
    /// The beginning of one, at least [`Revision::MIN_PREFIX`] digits.
    Prefix(String),
}

impl Revision {
    /// The newest commit.
    pub const HEAD: Self = Self::Before(0);
    /// The fewest digits of an abbreviated commit; git's own rule.
    pub const MIN_PREFIX: usize = 4;
    /// The furthest that `HEAD~n` goes back.
    pub const MAX_BEFORE: u32 = 100_000;

    /// Reads `HEAD`, `HEAD~n`, or a commit, whole or abbreviated.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if let Ok(commit) = CommitId::parse(text) {
            return Ok(Self::Commit(commit));
        }
        let found = match text.strip_prefix("HEAD") {
            Some("") => Some(Self::HEAD),
            Some(rest) => rest.strip_prefix('~').and_then(before),
            None => is_prefix(text).then(|| Self::Prefix(text.to_owned())),
        };
        found.ok_or_else(|| {
            let rule = "HEAD, HEAD~n, or a commit of at least 4 hexadecimal digits";
            Invalid::new(text, "a commit", rule)
        })
    }
}

fn before(text: &str) -> Option<Revision> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|count| digits && *count <= Revision::MAX_BEFORE);
    count.map(Revision::Before)
}

fn is_prefix(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (Revision::MIN_PREFIX..40).contains(&text.len()) && text.bytes().all(digit)
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before(0) => f.write_str("HEAD"),
            Self::Before(count) => write!(f, "HEAD~{count}"),
            Self::Commit(commit) => commit.fmt(f),
            Self::Prefix(digits) => f.write_str(digits),
        }
    }
}

impl std::str::FromStr for Revision {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_what_it_shows() {
        for text in ["HEAD", "HEAD~3", "cafe", "0123456789abcdef0123456789abcdef01234567"] {
            assert_eq!(Revision::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Revision::parse("HEAD~0").unwrap(), Revision::HEAD);
    }

    #[test]
    fn nothing_else_of_gits_language_is_understood() {
        let bad = [
            "",
            "--all",
            "-n1",
            "HEAD:../x",
            "HEAD:deployment-params.json",
            "@{1}",
            "HEAD@{1}",
            "@",
            "HEAD^",
            "HEAD~",
            "HEAD~-1",
            "HEAD~+1",
            "HEAD~1~1",
            "HEAD~100001",
            "main",
            "caf",
            "CAFE",
            "cafe..",
            "cafe^{tree}",
            "cafe\ninfo HEAD",
            ":/fix",
            "refs/heads/main",
            " cafe",
            "HEAD ",
        ];
        for text in bad {
            assert!(Revision::parse(text).is_err(), "{text}");
        }
    }
}
