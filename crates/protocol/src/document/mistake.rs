//! What can be wrong with a file, and where.

/// The first thing wrong with a file: where it stands, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{fault}")]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub fault: Fault,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Where it stands among the keys, as `process.web.port` or `image.copy[2]`; empty at the top.
    pub path: String,
}

impl std::fmt::Display for Place {
    /// As it stands before what is wrong there: `line 3, column 1: process.web: `.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "{}: ", self.path) }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not TOML, or not JSON; the parser's own words.
    #[error("{0}")]
    Syntax(String),
    /// A key that means nothing here.
    #[error("unknown key `{}`{}", shown(key), hint(*nearest, known))]
    UnknownKey {
        /// The key as it stands.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
        /// All keys that would mean something here.
        known: &'static [&'static str],
    },
    /// A key that stands twice.
    #[error("the key `{}` stands here twice", shown(.0))]
    DuplicateKey(String),
    /// A key that must be there.
    #[error("the key `{0}` is missing")]
    MissingKey(&'static str),
    /// A value of another kind.
    #[error("{found} stands where {wanted} is wanted")]
    WrongKind {
        /// What is wanted, with its article.
        wanted: &'static str,
        /// What stands there, with its article.
        found: &'static str,
    },
    /// A text that is not of the form its type asks for.
    #[error("{0}")]
    Invalid(kiln_names::Invalid),
    /// More of something than is allowed.
    #[error("too many {what}: at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Anything else: a value out of range, two values that do not fit together, a feature that is
    /// not there yet.
    #[error("{0}")]
    Refused(String),
}

/// A key as it can be shown: short, and without what a terminal would obey.
pub(crate) fn shown(key: &str) -> String {
    key.chars().take(80).flat_map(char::escape_debug).collect()
}

fn hint(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(near) => format!(", did you mean `{near}`?"),
        None => format!("; known here: {}", known.join(", ")),
    }
}

impl Mistake {
    /// A fault at byte `at` of `text`.
    pub(crate) fn new(text: &str, at: usize, path: String, fault: Fault) -> Self {
        Self { place: Place::new(text, at, path), fault }
    }
}

impl Place {
    /// Byte `at` of `text`.
    pub(crate) fn new(text: &str, at: usize, path: String) -> Self {
        let before = &text[..text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Self { line, column, path }
    }

    /// Something else that is wrong here, found later.
    pub(crate) fn refuse(&self, words: impl Into<String>) -> Mistake {
        Mistake { place: self.clone(), fault: Fault::Refused(words.into()) }
    }
}
