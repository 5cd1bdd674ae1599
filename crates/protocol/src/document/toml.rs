//! TOML with places.

use super::{Entry, Fault, MAX_DEPTH, Mistake, Node, Value};
use serde_json::Number;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// Reads the table that `text` is.
pub(super) fn read(text: &str) -> Result<Node, Mistake> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let words = error.message().trim().replace('\n', ", ");
        Mistake::new(text, at, String::new(), Fault::Syntax(words))
    })?;
    Ok(Node { at: 0, value: Source(text).table(table.get_ref(), 0)? })
}

#[derive(Clone, Copy)]
struct Source<'t>(&'t str);

impl Source<'_> {
    fn node(self, spanned: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Mistake> {
        let at = spanned.span().start;
        if depth > MAX_DEPTH {
            let fault = Fault::TooMany { what: "levels of nesting", limit: MAX_DEPTH };
            return Err(Mistake::new(self.0, at, String::new(), fault));
        }
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(integer) => whole(integer),
            DeValue::Float(float) => fraction(float.as_str()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => {
                let nodes = items.iter().map(|item| self.node(item, depth + 1));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        };
        Ok(Node { at, value })
    }

    /// The parser sorts keys; their places bring the order of the file back.
    fn table(self, table: &DeTable<'_>, depth: usize) -> Result<Value, Mistake> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let node = self.node(value, depth + 1)?;
            let key_text = key.get_ref().clone().into_owned();
            entries.push(Entry { key: key_text, at: key.span().start, node });
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(Value::Table(entries))
    }
}

fn whole(integer: &DeInteger<'_>) -> Value {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or(Value::Other("a number beyond 64 bits"), |number| Value::Number(number.into()))
}

fn fraction(text: &str) -> Value {
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Other("a number that is not finite"), Value::Number)
}
