//! `kiln app set`.

use super::words;
use crate::CliError;
use crate::commands::arguments::json;
use crate::session::Session;
use kiln_names::AppName;
use kiln_protocol::Exit;
use serde_json::Value;

/// Record a property of an application
///
/// Example:
///
///   kiln app set hello tier 1
///   kiln app set hello blocked '{"user": "ada", "reason": "audit"}'
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Set {
    /// The application
    pub name: AppName,
    /// The property, or a dotted path to it
    pub key: String,
    /// The value, as JSON
    #[arg(value_name = "JSON", value_parser = json)]
    pub value: Value,
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let app = session.client.set_app_property(&self.name, &self.key, &self.value).await?;
        session.output.data(&app, words)?;
        Ok(Exit::Done)
    }
}
