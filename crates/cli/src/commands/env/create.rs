//! `kiln env create`.

use crate::CliError;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;
use kiln_protocol::catalog::NewEnvironment;
use serde_json::Value;

/// Create an environment
///
/// Example:
///
///   kiln env create prod
///   kiln env create prod --engine docker --set host=unix:///var/run/docker.sock
///   kiln env create prod --engine docker --set swarm=true \
///       --set host=tcp://manager.example:2376 --set registry=kiln.example:7070 \
///       --set tlsCa=/etc/kiln/ca.pem --set tlsCert=/etc/kiln/cert.pem \
///       --set tlsKey=/etc/kiln/key.pem
///
/// The engine `docker` is set by:
///   host                  where it listens: unix:///PATH or tcp://HOST:PORT
///   tlsCa tlsCert tlsKey  files for TLS, on the machine where Kiln's server runs
///   swarm                 true: instances are services of a Swarm; otherwise
///                         containers of this one engine
///   registry              Kiln's API as a Swarm's nodes reach it, HOST:PORT, to
///                         pull images from; for a Swarm of several nodes
///   ports                 what instances are published on (20000-29999)
///   address               where published ports of a single engine are reached
///
/// kiln env check ENV says what is missing.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Create {
    /// Its name: a letter, then letters and digits
    pub name: EnvName,
    /// What runs its groups: local or docker
    #[arg(long, default_value = "local")]
    pub engine: String,
    /// A setting of the engine
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, Value)>,
}

impl Create {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let settings = self.settings.into_iter().collect();
        let new = NewEnvironment { name: self.name, engine: self.engine, settings };
        let env = session.client.create_env(&new).await?;
        session.output.data(&env, |env| format!("Created environment {}.", env.name))?;
        Ok(Exit::Done)
    }
}

/// `true` and `false` are what they say, everything else is text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) =
        text.split_once('=').ok_or("a setting is KEY=VALUE, such as host=unix:///…")?;
    let value = match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => Value::String(text.to_owned()),
    };
    Ok((key.to_owned(), value))
}
