//! A systemd unit, as far as it says how to run one program. Pure.
//!
//! What a setting asks for is either done, or done by Kiln for every instance anyway, or refused by
//! name: nothing that a unit says is dropped in silence. The sections beside `[Service]` order units
//! on a machine and have nothing to say in a container.

mod settings;

use crate::UnitError;
use kiln_protocol::recipe::{AbsolutePath, Stop, User};
use settings::Settings;

/// How a unit runs its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its name, with `.service`.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Who it runs as; nothing for root.
    pub(crate) user: Option<User>,
    /// As `NAME=value`.
    pub(crate) env: Vec<String>,
    /// The directories that systemd would make for it, whose content need not stay.
    pub(crate) writable: Vec<AbsolutePath>,
    /// How it is asked to stop.
    pub(crate) stop: Stop,
}

impl Unit {
    /// Reads the text of unit `name`.
    ///
    /// # Errors
    /// [`UnitError`] for the first setting that is not understood.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, UnitError> {
        let mut settings = Settings::default();
        for Line { number, key, value } in lines(text) {
            settings.set(key, &value).map_err(|reason| UnitError::Setting {
                unit: name.to_owned(),
                line: number,
                setting: shown(&format!("{key}={value}")),
                reason,
            })?;
        }
        let lacks = |reason| UnitError::Lacks { unit: name.to_owned(), reason };
        settings.unit(name).map_err(lacks)
    }
}

/// How much of a setting is shown.
const SHOWN: usize = 120;

/// Foreign text as it can be shown: short, and without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A setting of `[Service]`.
struct Line<'t> {
    /// Where it begins, from 1.
    number: usize,
    key: &'t str,
    value: String,
}

/// The settings of `[Service]`, each with the lines that continue it.
fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut found, mut within) = (Vec::new(), false);
    let mut rest = text.lines().enumerate();
    while let Some((at, line)) = rest.next() {
        let line = line.trim();
        if line.is_empty() || is_comment(line) {
            continue;
        }
        if line.starts_with('[') {
            within = line == "[Service]";
            continue;
        }
        let (key, first) = line.split_once('=').unwrap_or((line, ""));
        let mut value = first.trim().to_owned();
        while let Some(begun) = value.strip_suffix('\\') {
            let next = rest.by_ref().map(|(_, line)| line.trim()).find(|line| !is_comment(line));
            value = format!("{} {}", begun.trim_end(), next.unwrap_or_default());
        }
        if within {
            found.push(Line { number: at + 1, key: key.trim_end(), value });
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
}

#[cfg(test)]
mod tests;
