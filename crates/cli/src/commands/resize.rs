//! `kiln resize`.

use crate::CliError;
use crate::commands::Target;
use crate::follow::follow;
use crate::outcome::conclude;
use crate::session::Session;
use kiln_names::ProcessName;
use kiln_protocol::Exit;
use kiln_protocol::deployment::ResizeRequest;

/// Change how many instances there are
///
/// PROCESS may be left out when there is only one. The next deployment goes by
/// the configuration again.
///
/// Example:
///
///   kiln resize hello prod web 5
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, override_usage = "kiln resize [OPTIONS] <APP> <ENV> [PROCESS] <N>")]
pub struct Resize {
    #[command(flatten)]
    target: Target,
    /// Of which process, and how many
    #[arg(required = true, num_args = 1..=2, value_names = ["PROCESS", "N"])]
    size: Vec<String>,
    /// Why
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    message: String,
}

impl Resize {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let (process, size) = split(&self.size)?;
        let request = ResizeRequest { process, size, message: self.message };
        let deployment = session.client.resize(app, env, &request).await?;
        conclude(session, &follow(session, &deployment).await?)
    }
}

fn split(words: &[String]) -> Result<(Option<ProcessName>, u32), CliError> {
    let usage = |what: String| CliError::new(Exit::Usage, what).hint("kiln resize --help");
    let (process, size) = match words {
        [size] => (None, size),
        [process, size] => (Some(process), size),
        _ => return Err(usage("a process and a number are wanted".to_owned())),
    };
    let process = process.map(|name| ProcessName::parse(name)).transpose();
    let process = process.map_err(|invalid| usage(invalid.to_string()))?;
    let size = size.parse().map_err(|_| usage(format!("{size:?} is not a number of instances")))?;
    Ok((process, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_process_may_be_left_out() {
        assert_eq!(split(&words(&["5"])).unwrap(), (None, 5));
        let web = ProcessName::parse("web").unwrap();
        assert_eq!(split(&words(&["web", "0"])).unwrap(), (Some(web), 0));
        for bad in [&["five"][..], &["web", "-1"], &["Web", "1"], &[]] {
            assert!(split(&words(bad)).is_err(), "{bad:?}");
        }
    }
}
