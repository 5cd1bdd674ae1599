//! `kiln volumes remove`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_names::{Invalid, ProcessName, VolumeName};
use kiln_protocol::Exit;
use std::str::FromStr;

/// Remove a volume that no instance has, with all that it holds
///
/// There is no way back: a backup of Kiln has no volumes in it.
///
/// Example:
///
///   kiln volumes remove store prod db/data/2
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    #[command(flatten)]
    target: Target,
    /// The volume, as kiln volumes list shows it
    #[arg(value_name = "PROCESS/NAME/SLOT")]
    volume: Which,
}

/// `PROCESS/NAME/SLOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Which {
    process: ProcessName,
    name: VolumeName,
    slot: u32,
}

impl FromStr for Which {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new(text, "a volume", "PROCESS/NAME/SLOT, such as db/data/0");
        let mut parts = text.split('/');
        let (Some(process), Some(name), Some(slot), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let slot = slot.parse().map_err(|_| invalid())?;
        Ok(Self { process: process.parse()?, name: name.parse()?, slot })
    }
}

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let (Target { app, env }, Which { process, name, slot }) = (&self.target, &self.volume);
        session.client.remove_volume((app, env), process, name, *slot).await?;
        let volume = format!("{process}/{name}/{slot}");
        let removed = serde_json::json!({ "removed": volume });
        session.output.data(&removed, |_| format!("Removed {volume} of {app} in {env}."))?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_named_as_it_is_listed() {
        let which: Which = "db/data/2".parse().unwrap();
        assert_eq!((which.process.as_str(), which.name.as_str(), which.slot), ("db", "data", 2));
        for bad in ["db/data", "db/data/x", "db/data/0/1", "/data/0", "db/../0"] {
            bad.parse::<Which>().unwrap_err();
        }
    }
}
