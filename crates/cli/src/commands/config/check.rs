//! `kiln config check`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_protocol::Exit;
use kiln_protocol::configuration::ConfigurationFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Check the files of a configuration
///
/// With --dir those of a directory, without asking any server; else the newest
/// that are committed. What needs the image is checked by `kiln plan`.
///
/// Example:
///
///   kiln config check hello prod --dir config/prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    target: Target,
    /// The directory of the files; those that are missing keep their defaults
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Check {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let files = match &self.dir {
            Some(directory) => read(directory)?,
            None => session.client.config(app, env, None).await?.files,
        };
        let mut mistakes = Vec::new();
        for file in ConfigurationFile::ALL {
            let checked = files.get(file.as_str()).map_or(Ok(()), |text| file.check(text));
            mistakes.extend(checked.err().map(|mistake| mistake.to_string()));
        }
        match mistakes.as_slice() {
            [] => {
                let checked: Vec<_> = files.keys().collect();
                let result = serde_json::json!({ "app": app, "env": env, "valid": checked });
                session.output.data(&result, |_| "The configuration is valid.".to_owned())?;
                Ok(Exit::Done)
            }
            [mistake] => Err(CliError::invalid(mistake)),
            [first, others @ ..] => Err(CliError::invalid(first).details(others.to_vec())),
        }
    }
}

fn read(directory: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let mut files = BTreeMap::new();
    for file in ConfigurationFile::ALL {
        let path = directory.join(file.as_str());
        match std::fs::read_to_string(&path) {
            Ok(text) => drop(files.insert(file.to_string(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(CliError::file(&path, &error)),
        }
    }
    if files.is_empty() {
        let message = format!("{} has none of the configuration's files", directory.display());
        let names = ConfigurationFile::ALL.map(ConfigurationFile::as_str).join(", ");
        return Err(CliError::new(Exit::NotFound, message).hint(format!("they are {names}.")));
    }
    Ok(files)
}
