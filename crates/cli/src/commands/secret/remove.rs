//! `kiln secret remove`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_names::{GroupName, SecretName};
use kiln_protocol::Exit;
use kiln_protocol::secret::SecretRemoved;

/// Remove a secret from all deployments to come
///
/// Groups that have it keep it until they are gone; then it is erased, and a
/// rollback to a release that had it is refused.
///
/// Example:
///
///   kiln secret remove hello prod database-password
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    #[command(flatten)]
    target: Target,
    /// The secret
    name: SecretName,
}

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let removed = session.client.remove_secret(app, env, &self.name).await?;
        session.output.data(&removed, words)?;
        Ok(Exit::Done)
    }
}

fn words(removed: &SecretRemoved) -> String {
    let SecretRemoved { app, env, name, holders, .. } = removed;
    let mut text = format!("Removed secret {name} of {app} in {env}.");
    if !holders.is_empty() {
        let holders: Vec<&str> = holders.iter().map(GroupName::as_str).collect();
        text.push_str(&format!(" Until they are gone these have it: {}.", holders.join(", ")));
    }
    text
}
