//! Which names an archive may hold.

use kiln_config::Repositories;
use kiln_names::{AppName, Digest, EnvName};

/// What a file of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Placed as it is.
    Plain,
    /// A blob, which has this digest.
    Blob(Digest),
    /// A configuration's history.
    Bundle(AppName, EnvName),
}

/// Files that are there once.
const PLAIN: [&str; 5] =
    ["kiln.db", "admin.token", "secrets.key", "images/oci-layout", "images/index.json"];

impl Name {
    /// What a name means; nothing for one that no backup has.
    pub(crate) fn read(name: &str) -> Option<Self> {
        if PLAIN.contains(&name) {
            return Some(Self::Plain);
        }
        if let Some(hex) = name.strip_prefix("images/blobs/sha256/") {
            return Digest::parse(&format!("sha256:{hex}")).ok().map(Self::Blob);
        }
        let owners = name.strip_prefix("config/")?.strip_suffix(".bundle")?;
        let (app, env) = Repositories::owners(&format!("{owners}.git"))?;
        Some(Self::Bundle(app, env))
    }

    /// The name of a configuration's history.
    pub(crate) fn bundle(app: &AppName, env: &EnvName) -> String {
        format!("config/{app}-{env}.bundle")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_these_names_and_no_others() {
        let blob = format!("images/blobs/sha256/{}", "a1".repeat(32));
        for good in ["kiln.db", "secrets.key", "config/hello-prod.bundle", blob.as_str()] {
            assert!(Name::read(good).is_some(), "{good}");
        }
        let long = format!("images/blobs/sha256/../{}", "a1".repeat(32));
        for bad in [
            "",
            "/kiln.db",
            "./kiln.db",
            "../kiln.db",
            "kiln.db/",
            "install",
            "config/../x-prod.bundle",
            "config/hello.bundle",
            "config/hello-prod.git/config",
            "images/blobs/sha256/abc",
            "images/layers/x",
            long.as_str(),
        ] {
            assert!(Name::read(bad).is_none(), "{bad}");
        }
    }
}
