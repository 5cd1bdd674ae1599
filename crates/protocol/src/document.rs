//! What recipes and configuration files share: a tree of values that remember where they stand,
//! and mistakes that say so.
//!
//! Both TOML and JSON are read into the same [`Node`]s, so that "unknown key", "wanted a number" and
//! "at most 64" are said in one place, in the same words, with line, column and path.

mod json;
mod mistake;
mod reader;
mod toml;

pub(crate) use mistake::shown;
pub use mistake::{Fault, Mistake, Place};
pub(crate) use reader::{Fields, Reader};

/// The longest file that is read: 256 KiB, far above what people write and far below what hurts.
pub const MAX_FILE_BYTES: usize = 256 << 10;

/// How deep values may nest; the files' own formats need five.
pub(crate) const MAX_DEPTH: usize = 32;

/// A document: its text and what was read from it.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    format: Format,
    text: &'t str,
    root: Node,
}

/// The two formats, as far as messages tell them apart.
#[derive(Debug, Clone, Copy)]
enum Format {
    Toml,
    Json,
}

/// A value and the byte at which it begins.
#[derive(Debug)]
pub(crate) struct Node {
    at: usize,
    value: Value,
}

/// What a value can be in either format.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, without duplicates.
    Table(Vec<Entry>),
    /// Something that no key takes; called by its name in the message.
    Other(&'static str),
}

/// A key, the byte at which it begins, and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    key: String,
    at: usize,
    node: Node,
}

impl<'t> Document<'t> {
    /// Reads TOML.
    pub(crate) fn toml(text: &'t str) -> Result<Self, Mistake> {
        check_size(text)?;
        Ok(Self { format: Format::Toml, text, root: toml::read(text)? })
    }

    /// Reads JSON; a key that stands twice in one object is a mistake.
    pub(crate) fn json(text: &'t str) -> Result<Self, Mistake> {
        check_size(text)?;
        Ok(Self { format: Format::Json, text, root: json::read(text)? })
    }

    /// A reader of the outermost value.
    pub(crate) fn root(&self) -> Reader<'_> {
        Reader::new(self.format, self.text, &self.root)
    }
}

fn check_size(text: &str) -> Result<(), Mistake> {
    let fault = || Fault::TooMany { what: "bytes in the file", limit: MAX_FILE_BYTES };
    let fits = text.len() <= MAX_FILE_BYTES;
    fits.then_some(()).ok_or_else(|| Mistake::new(text, 0, String::new(), fault()))
}

impl Format {
    /// What a table is called, with its article.
    const fn table(self) -> &'static str {
        match self {
            Self::Toml => "a table",
            Self::Json => "an object",
        }
    }
}

impl Value {
    /// The kind of value, with its article, for messages.
    fn kind(&self, format: Format) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Table(_) => format.table(),
            Self::Other(kind) => kind,
        }
    }

    /// The value as JSON, as it is handed on to those who know what it means.
    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Other(_) => serde_json::Value::Null,
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => number.clone().into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.value.to_json()))
                .collect(),
        }
    }
}
