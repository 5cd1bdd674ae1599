//! A deployment as plain lines: one for each thing that happened, for logs and pipes.

use crate::output::Output;
use crate::progress::Progress;
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{DeploymentEvent, DeploymentState, Happening};
use std::time::Duration;

/// How long a count that goes on is silent after it was told.
const COUNTS: Duration = Duration::from_secs(10);

/// The lines of one deployment.
#[derive(Debug)]
pub(crate) struct Lines {
    progress: Progress,
    /// What the action under way does.
    summary: String,
    /// What it was said to wait for, and when.
    waits: Option<(String, Timestamp)>,
}

impl Lines {
    pub(crate) fn new(output: Output) -> Self {
        Self { progress: Progress::new(output), summary: String::new(), waits: None }
    }

    /// Says what happened.
    pub(crate) fn take(&mut self, event: &DeploymentEvent) {
        let progress = &mut self.progress;
        match &event.what {
            Happening::Sealed { release, notes, .. } => {
                let release = release.map(|release| release.short()).unwrap_or_default();
                progress.done("plan", &release, 0);
                notes.iter().for_each(|note| progress.remark(note));
            }
            Happening::ActionStarted { summary, .. } => {
                self.summary.clone_from(summary);
                self.waits = None;
            }
            Happening::ActionWaiting { action, note } => self.wait(action, note, event.at),
            Happening::ActionDone { action, note, milliseconds } => {
                let note = note.as_ref().unwrap_or(&self.summary);
                progress.done(action, note, *milliseconds);
            }
            Happening::ActionFailed { action, reason } => progress.failed(action, reason),
            Happening::Command { verb, user, .. } => {
                progress.remark(&format!("{user} asked for {verb}."));
            }
            Happening::State { state: DeploymentState::Paused, reason } => {
                let reason = reason.as_deref().unwrap_or("");
                progress.remark(&format!(
                    "Paused: {reason}. kiln resume goes on, kiln undo takes it back."
                ));
            }
            // How it ended is said once, at its end; groups are for who looks at them.
            Happening::Prepared { .. }
            | Happening::State { .. }
            | Happening::Groups { .. }
            | Happening::Ended { .. } => {}
        }
    }

    /// A wait is told when it is for something else; a count that goes on, now and then.
    fn wait(&mut self, action: &str, note: &str, at: Timestamp) {
        if let Some((before, told)) = &self.waits {
            let counts = without_digits(before) == without_digits(note);
            if counts && u128::from(at.since(*told)) < COUNTS.as_millis() {
                return;
            }
        }
        self.progress.waiting(action, note);
        self.waits = Some((note.to_owned(), at));
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_goes_on_is_told_every_ten_seconds_and_another_wait_at_once() {
        let mut lines = Lines::new(Output { form: crate::output::Form::Json, live: false });
        let mut told = Vec::new();
        for second in 0..25_u64 {
            let note = match second {
                0..20 => format!("the end of the watch, {} s are left", 20 - second),
                _ => "nobody".to_owned(),
            };
            lines.wait("watch", &note, Timestamp(second * 1000));
            told.push(lines.waits.clone().unwrap().1.0 / 1000);
        }
        told.dedup();
        assert_eq!(told, [0, 10, 20]);
    }
}
