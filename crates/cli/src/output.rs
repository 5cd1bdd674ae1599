//! Data to standard output, talk to standard error.

use crate::CliError;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where a command's words go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) form: Form,
    /// Whether standard error is a terminal.
    pub(crate) live: bool,
}

impl Output {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, live: std::io::stderr().is_terminal() }
    }

    /// Whether progress is drawn in place: somebody watches, on a terminal that can.
    pub(crate) fn draws(self) -> bool {
        self.live && self.form == Form::Text && !console::is_dumb()
    }

    /// Prints one piece of data: as JSON, or in the given words.
    pub(crate) fn data<T: Serialize>(
        self,
        data: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        match self.form {
            Form::Json => print(&format!("{}\n", json(data))),
            Form::Text => print(&ended(words(data))),
        }
    }

    /// Prints a list: one JSON object per line, or in the given words.
    pub(crate) fn list<T: Serialize>(
        self,
        items: &[T],
        words: impl FnOnce(&[T]) -> String,
    ) -> Result<(), CliError> {
        match self.form {
            Form::Json => print(&items.iter().map(|item| json(item) + "\n").collect::<String>()),
            Form::Text => print(&ended(words(items))),
        }
    }

    /// Says something that is not data; with `--json` nobody listens.
    pub(crate) fn say(self, words: &str) {
        if self.form == Form::Text {
            talk(&format!("{words}\n"));
        }
    }
}

/// Writes to standard error; nobody is left to tell when it is closed.
pub(crate) fn talk(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).ok();
}

/// Writes to standard output at once.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => CliError::Closed,
        _ => CliError::internal(format!("standard output: {error}")),
    })
}

fn json<T: Serialize>(data: &T) -> String {
    serde_json::to_string(data).expect("the protocol's types are JSON")
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
