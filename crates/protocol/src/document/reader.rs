//! Walking through a document: each step says what it wants and the mistake says where it failed.

use super::mistake::shown;
use super::{Entry, Fault, Format, Mistake, Node, Place, Value};
use crate::suggest::nearest;
use kiln_names::{Invalid, Span};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Stands at one value.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'d> {
    format: Format,
    text: &'d str,
    path: String,
    at: usize,
    node: &'d Node,
}

/// A table whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'d> {
    reader: Reader<'d>,
    entries: &'d [Entry],
}

impl<'d> Reader<'d> {
    pub(super) fn new(format: Format, text: &'d str, root: &'d Node) -> Self {
        Self { format, text, path: String::new(), at: root.at, node: root }
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        Place::new(self.text, self.at, self.path.clone())
    }

    /// A mistake at this value.
    pub(crate) fn mistake(&self, fault: Fault) -> Mistake {
        Mistake::new(self.text, self.at, self.path.clone(), fault)
    }

    /// A mistake at this value, in words.
    pub(crate) fn refuse(&self, words: impl Into<String>) -> Mistake {
        self.mistake(Fault::Refused(words.into()))
    }

    /// A mistake: another kind of value is wanted here.
    pub(crate) fn wrong(&self, wanted: &'static str) -> Mistake {
        self.mistake(Fault::WrongKind { wanted, found: self.node.value.kind(self.format) })
    }

    /// A string.
    pub(crate) fn text(&self) -> Result<&'d str, Mistake> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A string that a shell can be given: as [`Reader::argument`], and not blank.
    pub(crate) fn word(&self, limit: usize) -> Result<String, Mistake> {
        match self.argument(limit)? {
            text if text.trim().is_empty() => Err(self.refuse("it is empty")),
            text => Ok(text),
        }
    }

    /// A string of at most `limit` bytes that a program can be given: without NUL.
    pub(crate) fn argument(&self, limit: usize) -> Result<String, Mistake> {
        match self.text()? {
            text if text.contains('\0') => Err(self.refuse("it has a NUL character")),
            text if text.len() > limit => {
                Err(self.mistake(Fault::TooMany { what: "bytes in one string", limit }))
            }
            text => Ok(text.to_owned()),
        }
    }

    /// A string that a type checks.
    pub(crate) fn parse<T: FromStr<Err = Invalid>>(&self) -> Result<T, Mistake> {
        self.text()?.parse().map_err(|invalid| self.mistake(Fault::Invalid(invalid)))
    }

    /// The key of this value, which people chose, as its type.
    pub(crate) fn name<T: FromStr<Err = Invalid>>(&self, key: &str) -> Result<T, Mistake> {
        key.parse().map_err(|invalid| self.mistake(Fault::Invalid(invalid)))
    }

    /// A duration within `range`.
    pub(crate) fn span(&self, range: RangeInclusive<Span>) -> Result<Span, Mistake> {
        match self.parse()? {
            span if range.contains(&span) => Ok(span),
            span => Err(self.refuse(format!(
                "{span} is not within {} and {}",
                range.start(),
                range.end()
            ))),
        }
    }

    /// Yes or no.
    pub(crate) fn truth(&self) -> Result<bool, Mistake> {
        match self.node.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A number.
    pub(crate) fn number(&self) -> Result<&'d serde_json::Number, Mistake> {
        match &self.node.value {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong("a number")),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn whole<T>(&self, range: RangeInclusive<T>) -> Result<T, Mistake>
    where
        T: TryFrom<u64> + PartialOrd + std::fmt::Display,
    {
        let found = self.number()?.as_u64().and_then(|number| T::try_from(number).ok());
        found.filter(|number| range.contains(number)).ok_or_else(|| {
            self.refuse(format!(
                "a whole number from {} to {} is wanted",
                range.start(),
                range.end()
            ))
        })
    }

    /// The value as it stands, for the one match that takes several kinds.
    pub(crate) fn value(&self) -> &'d Value {
        &self.node.value
    }

    /// A table as JSON, for those who know what it means.
    pub(crate) fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, Mistake> {
        match self.node.value.to_json() {
            serde_json::Value::Object(map) => Ok(map),
            _ => Err(self.wrong(self.format.table())),
        }
    }

    fn list(
        &self,
        what: &'static str,
        limit: usize,
    ) -> Result<impl Iterator<Item = Self> + use<'d>, Mistake> {
        let Value::List(items) = &self.node.value else { return Err(self.wrong("an array")) };
        if items.len() > limit {
            return Err(self.mistake(Fault::TooMany { what, limit }));
        }
        let (format, text, path) = (self.format, self.text, self.path.clone());
        Ok(items.iter().enumerate().map(move |(index, node)| Self {
            format,
            text,
            path: format!("{path}[{index}]"),
            at: node.at,
            node,
        }))
    }

    /// What `read` makes of each item of an array of at most `limit`.
    pub(crate) fn each<T>(
        &self,
        what: &'static str,
        limit: usize,
        mut read: impl FnMut(&Self) -> Result<T, Mistake>,
    ) -> Result<Vec<T>, Mistake> {
        self.list(what, limit)?.map(|item| read(&item)).collect()
    }

    /// The members of a table of at most `limit` whose keys are names that people choose. The reader
    /// of each stands at its value;
    pub(crate) fn members(
        &self,
        what: &'static str,
        limit: usize,
    ) -> Result<impl Iterator<Item = (&'d str, Self)> + use<'d>, Mistake> {
        let Value::Table(entries) = &self.node.value else {
            return Err(self.wrong(self.format.table()));
        };
        if entries.len() > limit {
            return Err(self.mistake(Fault::TooMany { what, limit }));
        }
        let this = self.clone();
        Ok(entries.iter().map(move |entry| (entry.key.as_str(), this.member(entry))))
    }

    /// A table with no other keys than `known`.
    pub(crate) fn fields(&self, known: &'static [&'static str]) -> Result<Fields<'d>, Mistake> {
        let Value::Table(entries) = &self.node.value else {
            return Err(self.wrong(self.format.table()));
        };
        match entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            Some(stranger) => Err(self.unknown(stranger, known)),
            None => Ok(Fields { reader: self.clone(), entries }),
        }
    }

    fn unknown(&self, entry: &Entry, known: &'static [&'static str]) -> Mistake {
        let nearest = nearest(&entry.key, known.iter().copied());
        let fault = Fault::UnknownKey { key: entry.key.clone(), nearest, known };
        Mistake::new(self.text, entry.at, self.path.clone(), fault)
    }

    /// A value of a table is placed at its key: that is where people look.
    fn member(&self, entry: &'d Entry) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{}", self.path, shown(&entry.key));
        Self { format: self.format, text: self.text, path, at: entry.at, node: &entry.node }
    }
}

impl<'d> Fields<'d> {
    /// The value of `key`, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Reader<'d>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(self.reader.member(entry))
    }

    /// The value of `key`, which must be there.
    pub(crate) fn require(&self, key: &'static str) -> Result<Reader<'d>, Mistake> {
        self.get(key).ok_or_else(|| self.reader.mistake(Fault::MissingKey(key)))
    }

    /// What `read` makes of the value of `key`, if it is there.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Reader<'d>) -> Result<T, Mistake>,
    ) -> Result<Option<T>, Mistake> {
        self.get(key).as_ref().map(read).transpose()
    }
}
