//! `kiln config put`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_names::CommitId;
use kiln_protocol::Exit;
use kiln_protocol::configuration::ConfigurationFile;
use kiln_protocol::document::MAX_FILE_BYTES;
use kiln_protocol::revision::NewFile;
use std::io::Read as _;

/// Replace one whole file of a configuration by standard input
///
/// It is checked first; nothing changes when it has a mistake. The new commit is
/// printed. It reaches instances with the next deployment.
///
/// Example:
///
///   kiln config put hello prod deployment-params.json -m "three instances" \
///     < deployment-params.json
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Put {
    #[command(flatten)]
    target: Target,
    /// The file
    file: ConfigurationFile,
    /// Why
    #[arg(short, long, value_name = "MSG")]
    message: String,
    /// Refuse if the newest commit is not this one
    #[arg(long, value_name = "COMMIT")]
    expect: Option<CommitId>,
}

impl Put {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let content = standard_input()?;
        self.file.check(&content).map_err(|mistake| CliError::invalid(mistake.to_string()))?;
        let new = NewFile { content, message: self.message, expect: self.expect };
        let commit = session.client.put_config(app, env, self.file.as_str(), &new).await?;
        session.output.data(&commit, |commit| commit.commit.to_string())?;
        Ok(Exit::Done)
    }
}

fn standard_input() -> Result<String, CliError> {
    let limit = MAX_FILE_BYTES as u64 + 1;
    let mut text = String::new();
    let read = std::io::stdin().lock().take(limit).read_to_string(&mut text);
    read.map_err(|error| CliError::invalid(format!("standard input: {error}")))?;
    Ok(text)
}
