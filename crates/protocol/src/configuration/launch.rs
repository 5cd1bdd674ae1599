//! `launch-data.json`: shell commands that run in an instance before its command.

use super::{MAX_COMMAND_BYTES, MAX_COMMANDS};
use crate::document::{Document, Mistake};

/// The commands, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaunchData(Vec<String>);

impl LaunchData {
    /// Reads an array of strings.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let document = Document::json(text)?;
        let command = |item: &crate::document::Reader<'_>| item.word(MAX_COMMAND_BYTES);
        Ok(Self(document.root().each("commands", MAX_COMMANDS, command)?))
    }

    /// The commands, in order.
    #[must_use]
    pub fn commands(&self) -> &[String] {
        &self.0
    }
}
