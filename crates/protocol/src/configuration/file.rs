//! The names of the three files, and what is wrong with one.

use super::{DeploymentParams, LaunchData, Properties};
use crate::document::Mistake;
use kiln_names::Invalid;

/// One of the three files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigurationFile {
    /// What the application reads.
    Properties,
    /// What an instance does before its command.
    Launch,
    /// How Kiln runs it.
    Params,
}

/// A file with a mistake in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {mistake}")]
pub struct InvalidConfiguration {
    /// The file.
    pub file: ConfigurationFile,
    /// The first mistake in it.
    pub mistake: Mistake,
}

impl ConfigurationFile {
    /// All three, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Properties, Self::Params, Self::Launch];

    /// The file's name in the repository.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Properties => "application-properties.json",
            Self::Launch => "launch-data.json",
            Self::Params => "deployment-params.json",
        }
    }

    /// What stands in it until someone changes it: nothing, which is all defaults.
    #[must_use]
    pub const fn first_text(self) -> &'static str {
        match self {
            Self::Properties | Self::Params => "{}\n",
            Self::Launch => "[]\n",
        }
    }

    /// Reads a file's name.
    ///
    /// # Errors
    /// [`Invalid`] for any other name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|file| file.as_str() == text).ok_or_else(|| {
            let rule = "application-properties.json, deployment-params.json or launch-data.json";
            Invalid::new(text, "a configuration file", rule)
        })
    }

    /// Checks a text that is to be this file, by itself.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn check(self, text: &str) -> Result<(), InvalidConfiguration> {
        let checked = match self {
            Self::Properties => Properties::parse(text).map(drop),
            Self::Launch => LaunchData::parse(text).map(drop),
            Self::Params => DeploymentParams::parse(text).map(drop),
        };
        checked.map_err(|mistake| self.invalid(mistake))
    }

    pub(super) fn invalid(self, mistake: Mistake) -> InvalidConfiguration {
        InvalidConfiguration { file: self, mistake }
    }
}

impl std::fmt::Display for ConfigurationFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
kiln_names::checked_text!(ConfigurationFile);
