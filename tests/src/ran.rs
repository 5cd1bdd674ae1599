//! A command that ran.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// As it was typed.
    pub line: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn of(mut command: Command) -> Self {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default();
        let words = std::iter::once(program).chain(command.get_args());
        let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        let began = Instant::now();
        let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
        Self {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: began.elapsed(),
        }
    }

    /// The same, if it ended with that exit code.
    ///
    /// # Panics
    /// If it did not; the message has everything it said.
    #[must_use]
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The same, if it said all of that, to whichever output.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "it does not say {word:?}\n{self}");
        }
        self
    }

    /// Its standard output as one JSON value per line.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}\n{self}"))
        };
        self.stdout.lines().map(read).collect()
    }

    /// Its standard output as one JSON value.
    ///
    /// # Panics
    /// When it is anything else.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self}");
        lines.remove(0)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr, took } = self;
        writeln!(f, "$ {line}\nexit {code:?} after {took:?}")?;
        writeln!(f, "--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
