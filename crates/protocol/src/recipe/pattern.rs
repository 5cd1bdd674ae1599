//! Patterns for files of the service's directory.

use super::ContextPath;
use kiln_names::Invalid;

/// A path within the service's directory that may have `*` for any characters of one name and `?`
/// for one of them. As in a shell neither stands for a dot at the beginning of a name.
///
/// The command line expands it to say what it sends, and the server to say what it installs, by the
/// same rules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePattern(String);

impl FilePattern {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not such a path, or has other signs that shells give a meaning.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let path = ContextPath::parse(text).ok().filter(|path| path.as_str() != ".");
        let plain = |path: &ContextPath| !path.as_str().contains(['[', ']', '{', '}', '\\']);
        let good = path.filter(plain).filter(|path| !path.as_str().contains("**"));
        good.map(|path| Self(path.as_str().to_owned())).ok_or_else(|| {
            let rule = "a path within the service's directory, with * and ? within names";
            Invalid::new(text, "a pattern for files", rule)
        })
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The patterns of the names that a matching path consists of, the outermost first.
    pub fn segments(&self) -> impl Iterator<Item = NamePattern<'_>> {
        self.0.split('/').map(NamePattern)
    }

    /// Whether `path`, relative to the service's directory, is one that is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut names = path.split('/');
        let all = self.segments().all(|pattern| names.next().is_some_and(|it| pattern.matches(it)));
        all && names.next().is_none()
    }
}

impl std::fmt::Display for FilePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
kiln_names::checked_text!(FilePattern);

/// The part of a pattern between two slashes.
#[derive(Debug, Clone, Copy)]
pub struct NamePattern<'p>(&'p str);

impl<'p> NamePattern<'p> {
    /// The one name that it stands for, when it has no special sign.
    #[must_use]
    pub fn literal(self) -> Option<&'p str> {
        (!self.0.contains(['*', '?'])).then_some(self.0)
    }

    /// Whether it stands for this name.
    #[must_use]
    pub fn matches(self, name: &str) -> bool {
        let hidden = name.starts_with('.') && !self.0.starts_with('.');
        !hidden && matches(self.0, name)
    }
}

/// Goes back to the last `*` alone, so that the time is at most the product of the lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut back: Option<(&str, &str)> = None;
    loop {
        let (mut signs, mut letters) = (pattern.chars(), name.chars());
        match (signs.next(), letters.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern = signs.as_str();
                back = Some((pattern, name));
            }
            (Some(sign), Some(letter)) if sign == '?' || sign == letter => {
                (pattern, name) = (signs.as_str(), letters.as_str());
            }
            _ => {
                let Some((after, from)) = back else { return false };
                let mut rest = from.chars();
                if rest.next().is_none() {
                    return false;
                }
                (pattern, name) = (after, rest.as_str());
                back = Some((after, name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_paths_that_a_shell_would_name() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let read = FilePattern::parse(pattern).unwrap();
            assert_eq!(read.matches(path), expected, "{pattern} {path}");
        };
        check("dist/hello_*.deb", "dist/hello_1.0_all.deb", true);
        check("dist/hello_*.deb", "dist/hello_.deb", true);
        check("dist/hello_*.deb", "dist/hello_1.0_all.deb.asc", false);
        check("dist/hello_*.deb", "dist/old/hello_1.deb", false);
        check("dist/*/a?.deb", "dist/x/ab.deb", true);
        check("dist/*/a?.deb", "dist/x/a.deb", false);
        check("*a*b", "aabab", true);
        check("*a*b", "ba", false);
        check("*", ".hidden", false);
        check(".*", ".hidden", true);
        check("?", "é", true);
        check("./a.deb", "a.deb", true);
        check("a.deb", "a.debx", false);
    }

    #[test]
    fn what_could_be_meant_otherwise_is_refused() {
        for bad in ["", ".", "/a", "../a", "a/../b", "a//b", "**/a", "a[12]", "{a,b}", "a\\*"] {
            assert!(FilePattern::parse(bad).is_err(), "{bad}");
        }
    }
}
