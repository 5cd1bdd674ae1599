//! Releases: what is deployed, and what a rollback returns to.

use kiln_names::{AppName, CommitId, Digest, EnvName, ReleaseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An image joined with its configuration, for one application in one environment.
///
/// Its id is the hash of its canonical JSON: keys sorted, no blanks. The members stand in that
/// order here, so that writing them is writing the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The application.
    pub app: AppName,
    /// The commit of its configuration.
    pub config: CommitId,
    /// The environment.
    pub env: EnvName,
    /// The image.
    pub image: Digest,
    /// The version of each secret, by name.
    pub secrets: BTreeMap<String, u32>,
    v: u8,
}

impl Release {
    /// The release of an image with a configuration, without secrets.
    #[must_use]
    pub const fn new(app: AppName, env: EnvName, image: Digest, config: CommitId) -> Self {
        Self { app, config, env, image, secrets: BTreeMap::new(), v: 1 }
    }

    /// The whole of it, the same bytes for the same release.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers under text keys become JSON")
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        ReleaseId::of(self.canonical().as_bytes())
    }

    /// Reads the canonical form back.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(canonical: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> Release {
        let image = Digest::parse(&format!("sha256:{}", "ab".repeat(32))).unwrap();
        let config = CommitId::parse(&"cd".repeat(20)).unwrap();
        Release::new("hello".parse().unwrap(), "prod".parse().unwrap(), image, config)
    }

    #[test]
    fn canonical_json_has_sorted_keys_and_no_blanks() {
        let expected = format!(
            r#"{{"app":"hello","config":"{}","env":"prod","image":"sha256:{}","secrets":{{}},"v":1}}"#,
            "cd".repeat(20),
            "ab".repeat(32)
        );
        assert_eq!(release().canonical(), expected);
    }

    #[test]
    fn a_release_reads_back_as_itself() {
        assert_eq!(Release::parse(&release().canonical()).unwrap(), release());
    }

    #[test]
    fn another_configuration_is_another_release() {
        let other = Release { config: CommitId::parse(&"ce".repeat(20)).unwrap(), ..release() };
        assert_ne!(other.id(), release().id());
    }
}
