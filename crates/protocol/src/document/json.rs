//! JSON with places: serde_json's raw values are slices of the text, so each tells where it stands.

use super::{Entry, Fault, MAX_DEPTH, Mistake, Node, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Reads the one value that `text` is.
pub(super) fn read(text: &str) -> Result<Node, Mistake> {
    let source = Source(text);
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| source.whole_file(&error))?;
    source.node(raw, 0)
}

#[derive(Clone, Copy)]
struct Source<'t>(&'t str);

impl<'t> Source<'t> {
    fn node(self, raw: &'t RawValue, depth: usize) -> Result<Node, Mistake> {
        let at = self.place(raw);
        if depth > MAX_DEPTH {
            let fault = Fault::TooMany { what: "levels of nesting", limit: MAX_DEPTH };
            return Err(Mistake::new(self.0, at, String::new(), fault));
        }
        let value = match raw.get().as_bytes().first() {
            Some(b'{') => self.table(self.part(raw)?, depth)?,
            Some(b'[') => self.list(self.part(raw)?, depth)?,
            Some(b'"') => Value::Text(self.part(raw)?),
            Some(b't' | b'f') => Value::Flag(self.part(raw)?),
            Some(b'n') => Value::Null,
            _ => number(raw, self.part(raw)?),
        };
        Ok(Node { at, value })
    }

    fn table(self, pairs: Pairs<'t>, depth: usize) -> Result<Value, Mistake> {
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(pairs.0.len());
        for (raw_key, raw) in pairs.0 {
            let (key, at) = (self.part::<String>(raw_key)?, self.place(raw_key));
            if !seen.insert(key.clone()) {
                let fault = Fault::DuplicateKey(key);
                return Err(Mistake::new(self.0, at, String::new(), fault));
            }
            entries.push(Entry { key, at, node: self.node(raw, depth + 1)? });
        }
        Ok(Value::Table(entries))
    }

    fn list(self, items: Vec<&'t RawValue>, depth: usize) -> Result<Value, Mistake> {
        let nodes = items.into_iter().map(|item| self.node(item, depth + 1));
        Ok(Value::List(nodes.collect::<Result<_, _>>()?))
    }

    fn part<T: Deserialize<'t>>(self, raw: &'t RawValue) -> Result<T, Mistake> {
        serde_json::from_str(raw.get()).map_err(|error| {
            let fault = Fault::Syntax(words(&error));
            Mistake::new(self.0, self.place(raw), String::new(), fault)
        })
    }

    fn place(self, raw: &RawValue) -> usize {
        raw.get().as_ptr().addr() - self.0.as_ptr().addr()
    }

    /// serde_json counts columns in bytes and from the byte it stopped at.
    fn whole_file(self, error: &serde_json::Error) -> Mistake {
        let lines = self.0.split_inclusive('\n');
        let line_start: usize = lines.take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = line_start + error.column().saturating_sub(1);
        let fault = Fault::Syntax(words(error));
        Mistake::new(self.0, at.min(self.0.len()), String::new(), fault)
    }
}

/// A whole number beyond 64 bits would silently become the nearest fraction.
fn number(raw: &RawValue, number: serde_json::Number) -> Value {
    let written_whole = !raw.get().contains(['.', 'e', 'E']);
    match written_whole && number.is_f64() && raw.get() != "-0" {
        true => Value::Other("a number beyond 64 bits"),
        false => Value::Number(number),
    }
}

/// The error's text without its " at line 1 column 2".
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// The members of an object as they stand, duplicates included.
struct Pairs<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Collect)
    }
}
