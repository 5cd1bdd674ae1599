//! `kiln secret set`.

use super::ask;
use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_names::{SecretName, SecretValue};
use kiln_protocol::Exit;
use kiln_protocol::secret::SecretSet;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::PathBuf;

/// Give a secret a value, from standard input or a file
///
/// Instances of the next deployment find it in /run/kiln/secrets/NAME, byte for
/// byte. A terminal is asked for one line, and does not show it. There is no way
/// to read a value back. The same value again changes nothing.
///
/// Example:
///
///   kiln secret set hello prod database-password
///   kiln secret set hello prod tls.key --file server.key
///   openssl rand -hex 32 | tr -d '\n' | kiln secret set hello prod session-key
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Set {
    #[command(flatten)]
    target: Target,
    /// The secret: a letter, then letters, digits, dots, hyphens, underscores
    name: SecretName,
    /// Take the value from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Set {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Self { target: Target { app, env }, name, file } = self;
        let value = match file {
            Some(path) => {
                let opened = File::open(&path).map_err(|error| CliError::file(&path, &error))?;
                read(opened, &path.display().to_string())?
            }
            None if io::stdin().is_terminal() => {
                ask::value(&format!("Value of {name} of {app} in {env}: ")).await?
            }
            None => read(io::stdin().lock(), "standard input")?,
        };
        if value.as_ref().ends_with(b"\n") {
            session.output.say("Note: the value ends with a newline.");
        }
        let set = session.client.set_secret(&app, &env, &name, value).await?;
        session.output.data(&set, words)?;
        Ok(Exit::Done)
    }
}

/// One byte more than a value has tells that there are too many.
fn read(from: impl Read, whence: &str) -> Result<SecretValue, CliError> {
    let mut bytes = Vec::with_capacity(SecretValue::MAX + 1);
    let read = from.take(SecretValue::MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| CliError::invalid(format!("{whence}: {error}")))?;
    SecretValue::new(bytes).map_err(|error| CliError::invalid(format!("{whence}: {error}")))
}

fn words(set: &SecretSet) -> String {
    let SecretSet { app, env, name, version, unchanged } = set;
    if *unchanged {
        format!("Secret {name} of {app} in {env} is unchanged: version {version}.")
    } else {
        format!("Secret {name} of {app} in {env} is version {version}; kiln redeploy brings it.")
    }
}
