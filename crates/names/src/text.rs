//! What all checked texts share: the error, and the plumbing that makes a type of one.

/// A text that is not what its type asks for: says what was given and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct Invalid {
    /// The text as it came, cut to 80 characters.
    pub text: String,
    /// What it was meant to be, with its article: "an application name".
    pub what: &'static str,
    /// What would be allowed.
    pub rule: &'static str,
}

impl Invalid {
    /// Refuses `text`.
    #[must_use]
    pub fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), what, rule }
    }
}

/// Gives a type with `parse(&str) -> Result<Self, Invalid>` and `Display` its `FromStr` and serde
/// impls, so that every text crosses every boundary through the same check.
#[macro_export]
macro_rules! checked_text {
    ($type:ident) => {
        impl std::str::FromStr for $type {
            type Err = $crate::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }
        $crate::text_schema!($type);
    };
}
pub(crate) use checked_text;
