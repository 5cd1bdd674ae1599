//! A line of the tree: its text, and its tone where there is colour.

use console::{Style, measure_text_width, truncate_str};

/// How a line is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    tone: Tone,
    text: String,
}

impl Line {
    pub(super) const fn new(tone: Tone, text: String) -> Self {
        Self { tone, text }
    }

    /// It in that many columns.
    pub(super) fn cut(self, columns: usize) -> Self {
        let text = truncate_str(&self.text, columns, "…").into_owned();
        Self { text, ..self }
    }

    /// How many columns it takes.
    pub(super) fn width(&self) -> usize {
        measure_text_width(&self.text)
    }

    /// It as the terminal shows it: without colour where that cannot show any, or nobody wants it.
    pub(super) fn painted(&self) -> String {
        let style = Style::new().for_stderr();
        let style = match self.tone {
            Tone::Plain => style,
            Tone::Strong => style.bold(),
            Tone::Faint => style.dim(),
            Tone::Good => style.green(),
            Tone::Bad => style.red(),
        };
        style.apply_to(&self.text).to_string()
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Words in lines of at most that many columns; what does not fit into so many lines is cut.
pub(super) fn wrap(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        match lines.last_mut() {
            Some(last) if measure_text_width(last) + 1 + measure_text_width(word) <= columns => {
                last.push(' ');
                last.push_str(word);
            }
            Some(last) if full => {
                last.push_str(" …");
                break;
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
