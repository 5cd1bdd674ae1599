//! Who a process runs as.

use kiln_names::Invalid;

/// A user of the image by name, or numbers. Root has to be asked for by its name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum User {
    /// Looked up in the image's `/etc/passwd` when it is baked.
    Name(String),
    /// Taken as they are; neither is 0.
    Ids {
        /// The user's number.
        uid: u32,
        /// The group's number.
        gid: u32,
    },
}

impl User {
    /// Who a process runs as when its recipe does not say.
    pub const NOBODY: Self = Self::Ids { uid: 65532, gid: 65532 };

    /// Whether it is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        matches!(self, Self::Name(name) if name == "root")
    }

    /// Reads a name, `UID`, or `UID:GID`; a `UID` alone is its own group.
    ///
    /// # Errors
    /// [`Invalid`] when it is none of these.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (uid, gid) = text.split_once(':').unwrap_or((text, text));
            id(uid).zip(id(gid)).map(|(uid, gid)| Self::Ids { uid, gid })
        } else {
            is_user_name(text).then(|| Self::Name(text.to_owned()))
        };
        found.ok_or_else(|| {
            let rule = "a name of at most 32 lower-case letters, digits, - and _, or UID:GID in \
                        numbers above 0; root only by its name";
            Invalid::new(text, "a user", rule)
        })
    }
}

/// The kernel keeps 2^32 - 1 for "no change".
fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| *id != 0 && *id != u32::MAX);
    id.filter(|_| digits)
}

fn is_user_name(text: &str) -> bool {
    let starts = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    text.len() <= 32 && text.as_bytes().first().is_some_and(starts) && text.bytes().all(allowed)
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ids { uid, gid } => write!(f, "{uid}:{gid}"),
        }
    }
}
kiln_names::checked_text!(User);
