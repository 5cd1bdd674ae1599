//! `kiln env check`.

use crate::CliError;
use crate::session::Session;
use kiln_names::EnvName;
use kiln_protocol::Exit;
use kiln_protocol::catalog::{Finding, Verdict};

/// Look at all that an environment's engine needs
///
/// Exits with 3 when nothing would run like that.
///
/// Example:
///
///   kiln env check prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    /// The environment
    pub name: EnvName,
}

impl Check {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let findings = session.client.check_env(&self.name).await?;
        session.output.data(&findings, |findings| words(findings))?;
        Ok(if findings.iter().all(|finding| finding.verdict != Verdict::Bad) {
            Exit::Done
        } else {
            Exit::DRIFT
        })
    }
}

fn words(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = match finding.verdict {
            Verdict::Good => "ok  ",
            Verdict::Note => "note",
            Verdict::Bad => "BAD ",
        };
        let mend = finding.mend.as_ref().map(|mend| format!("\n      {mend}"));
        format!("{mark}  {}: {}{}\n", finding.what, finding.found, mend.unwrap_or_default())
    };
    findings.iter().map(line).collect()
}
