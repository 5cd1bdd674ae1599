//! `kiln env set`.

use super::words;
use crate::CliError;
use crate::commands::arguments::json;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;
use serde_json::Value;

/// Record a property of an environment
///
/// Example:
///
///   kiln env set prod description '"what customers see"'
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Set {
    /// The environment
    pub name: EnvName,
    /// The property, or a dotted path to it
    pub key: String,
    /// The value, as JSON
    #[arg(value_name = "JSON", value_parser = json)]
    pub value: Value,
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let env = session.client.set_env_property(&self.name, &self.key, &self.value).await?;
        session.output.data(&env, words)?;
        Ok(Exit::Done)
    }
}
