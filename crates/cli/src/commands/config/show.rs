//! `kiln config show`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_protocol::configuration::ConfigurationFile;
use kiln_protocol::revision::Revision;
use kiln_protocol::{Code, Exit, Problem};

/// Print a file of a configuration, or all of them
///
/// Example:
///
///   kiln config show hello prod
///   kiln config show hello prod deployment-params.json > deployment-params.json
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    target: Target,
    /// The file; all of them unless given
    file: Option<ConfigurationFile>,
    /// At this commit; the newest unless given
    #[arg(long, value_name = "COMMIT")]
    at: Option<String>,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let mut revision = session.client.config(app, env, self.at.as_deref()).await?;
        match self.file {
            None => session.output.data(&revision, words)?,
            Some(file) => {
                let Some(text) = revision.files.remove(file.as_str()) else {
                    let detail = format!("there is no {file} at {}", revision.commit.short());
                    return Err(Problem::new(Code::FileNotFound, detail).into());
                };
                revision.files = [(file.to_string(), text)].into();
                session.output.data(&revision, |revision| {
                    revision.files.values().next().cloned().unwrap_or_default()
                })?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The files one after the other, each beneath its name.
fn words(revision: &Revision) -> String {
    let mut text = format!("commit {}\n", revision.commit);
    for (name, content) in &revision.files {
        text.push_str(&format!("\n{name}\n{content}"));
        if !content.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}
