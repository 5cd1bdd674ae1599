//! How something goes, on standard error: one live line per step on a terminal, plain lines
//! elsewhere.

use crate::output::{Form, Output, talk};
use crate::words::{clean, seconds};

/// The longest line but for a failure's: a terminal of 80 columns, less the cursor's.
const COLUMNS: usize = 79;

/// Where the cursor goes to draw a line again: back to its start, the rest erased.
const REDRAW: &str = "\r\x1b[K";

/// How wide the column of the actions is.
const LABEL: usize = 26;

/// The lines of one command's progress.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    /// Whether a live line stands unfinished.
    open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Drawn in place.
    Live,
    /// One line after the other.
    Plain,
    /// Nobody watches.
    Silent,
}

impl Progress {
    pub(crate) fn new(output: Output) -> Self {
        let style = match (output.form, output.draws()) {
            (Form::Json, _) => Style::Silent,
            (Form::Text, true) => Style::Live,
            (Form::Text, false) => Style::Plain,
        };
        Self { style, open: false }
    }

    /// An action began: seen until it is done, and only where lines are live.
    pub(crate) fn passing(&mut self, label: &str, note: &str) {
        if self.style == Style::Live {
            talk(&format!("{REDRAW}{}", cut(&line(label, note, "…"))));
            self.open = true;
        }
    }

    /// An action waits; `note` says for what.
    pub(crate) fn waiting(&mut self, label: &str, note: &str) {
        match self.style {
            Style::Plain => talk(&(cut(&line(label, note, "…")) + "\n")),
            Style::Live | Style::Silent => self.passing(label, note),
        }
    }

    /// An action is done.
    pub(crate) fn done(&mut self, label: &str, note: &str, milliseconds: u64) {
        self.last(&cut(&line(label, note, &seconds(milliseconds))));
    }

    /// An action failed.
    pub(crate) fn failed(&mut self, label: &str, reason: &str) {
        self.last(&line(label, reason, "failed"));
    }

    /// Something to be seen besides the actions.
    pub(crate) fn remark(&mut self, words: &str) {
        self.last(&clean(words));
    }

    /// Leaves the terminal's line clean.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.open) {
            talk(REDRAW);
        }
    }

    fn last(&mut self, text: &str) {
        if self.style != Style::Silent {
            self.clear();
            talk(&format!("{text}\n"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(label: &str, note: &str, end: &str) -> String {
    let (label, note) = (clean(label), clean(note));
    format!("  {label:<LABEL$} {end:>7}  {note}").trim_end().to_owned()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => line[..end].to_owned(),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_line_fits_the_terminal_and_carries_no_control_characters() {
        let line = cut(&line("await started", &"ä\u{1b}[2J".repeat(100), "…"));
        assert_eq!(line.chars().count(), COLUMNS);
        assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn a_line_has_its_time_between_label_and_note() {
        assert_eq!(
            line("await started", "2 of 2", "0.18 s"),
            "  await started               0.18 s  2 of 2"
        );
    }
}
