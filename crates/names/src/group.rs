//! Names of server groups.

use crate::text::{Invalid, checked_text};
use crate::{AppName, EnvName, ProcessName};

/// The number that a deployment takes when its plan is sealed: one count per application and
/// environment, shared by the processes, never reused, compared as a number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct GroupNumber(pub u32);

impl std::fmt::Display for GroupNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{:03}", self.0)
    }
}

/// `hello-prod-web-v003`: for people, labels and tags. It is never parsed back into its parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// The name of the group that `number` gave `process`.
    #[must_use]
    pub fn new(app: &AppName, env: &EnvName, process: &ProcessName, number: GroupNumber) -> Self {
        Self(format!("{app}-{env}-{process}-{number}"))
    }

    /// Takes a stored name back.
    ///
    /// # Errors
    /// [`Invalid`] when it has other characters than a group's name can have.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = !text.is_empty() && text.len() <= 96 && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            Invalid::new(text, "a group name", "as APP-ENV-PROCESS-v001, at most 96 characters")
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for GroupName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
checked_text!(GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_after_what_it_runs_and_its_number() {
        let name = GroupName::new(
            &AppName::parse("hello").unwrap(),
            &EnvName::parse("prod").unwrap(),
            &ProcessName::parse("web").unwrap(),
            GroupNumber(3),
        );
        assert_eq!(name.as_str(), "hello-prod-web-v003");
    }

    #[test]
    fn numbers_compare_as_numbers_past_999() {
        assert!(GroupNumber(1000) > GroupNumber(999));
        assert_eq!(GroupNumber(1000).to_string(), "v1000");
    }
}
