//! `kiln drift`.

use crate::CliError;
use crate::session::Session;
use crate::words::{clean, count};
use kiln_names::{AppName, EnvName};
use kiln_protocol::Exit;
use kiln_protocol::drift::Drift as Difference;

/// Show what is not as Kiln made it
///
/// Compares every instance, image, release, file system, limit, route, weight and
/// rule with what the database says, and changes nothing. Exit code 3 if anything
/// differs, 0 if nothing does. What is in motion is no drift.
///
/// Example:
///
///   kiln drift
///   kiln drift hello prod --deep
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Drift {
    /// Only of this application
    app: Option<AppName>,
    /// Only in this environment
    env: Option<EnvName>,
    /// Compare the content of every file of the images that run
    #[arg(long)]
    deep: bool,
}

impl Drift {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let found = session.client.drift(self.app.as_ref(), self.env.as_ref(), self.deep).await?;
        session.output.list(&found, |all| all.iter().map(words).collect())?;
        if found.is_empty() {
            session.output.say("Everything is as Kiln made it.");
            return Ok(Exit::Done);
        }
        session.output.say(&format!("{}.", count(found.len(), "difference")));
        Ok(Exit::DRIFT)
    }
}

/// The difference on one line, what to type on the next.
fn words(difference: &Difference) -> String {
    let Difference { subject, what, expected, found, mend, .. } = difference;
    let line = format!("{subject}: {what}: expected {expected}, found {found}");
    format!("{}\n    {}\n", clean(&line), clean(mend))
}
