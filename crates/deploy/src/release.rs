//! Releases: what is deployed, and what a rollback returns to.

use kiln_names::{AppName, CommitId, Digest, EnvName, ReleaseId, SecretVersions};
use serde::{Deserialize, Serialize};

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
    pub secrets: SecretVersions,
    v: u8,
}

impl Release {
    /// The release of an image with a configuration, without secrets.
    #[must_use]
    pub const fn new(app: AppName, env: EnvName, image: Digest, config: CommitId) -> Self {
        Self { app, config, env, image, secrets: SecretVersions::new(), v: 1 }
    }

    /// The same with those versions of secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: SecretVersions) -> Self {
        Self { secrets, ..self }
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
    fn another_version_of_a_secret_is_another_release() {
        let with = |version| {
            let secret = ("token".parse().unwrap(), kiln_names::SecretVersion(version));
            release().with_secrets(SecretVersions::from([secret]))
        };
        assert!(with(3).canonical().contains(r#""secrets":{"token":3},"v":1"#));
        assert_eq!(Release::parse(&with(3).canonical()).unwrap(), with(3));
        assert_ne!(with(3).id(), with(4).id());
        let none = release().with_secrets(SecretVersions::new());
        assert_eq!(none.id(), release().id(), "a release without secrets is what it always was");
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
