//! Properties as Java reads them.

use serde_json::{Map, Value};
use std::fmt::Write;

/// The text of a `.properties` file, one `key=value` per line in the map's order.
///
/// Written for `java.util.Properties.load`: everything outside printable ASCII becomes `\uXXXX` in
/// UTF-16 units, so that the file reads the same in Latin-1 and in UTF-8.
#[must_use]
pub fn java_properties(properties: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in properties {
        escape(key, Part::Key, &mut text);
        text.push('=');
        escape(&plain(value), Part::Value, &mut text);
        text.push('\n');
    }
    text
}

/// A value as a person would write it: strings without their quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Key,
    Value,
}

fn escape(from: &str, part: Part, to: &mut String) {
    for (at, character) in from.chars().enumerate() {
        match character {
            // In a value only leading spaces would be lost.
            ' ' if part == Part::Key || at == 0 => to.push_str("\\ "),
            '\t' => to.push_str("\\t"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\u{c}' => to.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => to.extend(['\\', character]),
            ' '..='~' => to.push(character),
            other => escape_unicode(other, to),
        }
    }
}

fn escape_unicode(character: char, to: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        write!(to, "\\u{unit:04x}").expect("a String takes any text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: impl Into<Value>, expected: &str) {
        let properties = Map::from_iter([(key.to_owned(), value.into())]);
        assert_eq!(java_properties(&properties), format!("{expected}\n"));
    }

    #[test]
    fn plain_values_stay_plain() {
        check("greeting", "hello world", "greeting=hello world");
        check("a.b", 8080, "a.b=8080");
        check("ratio", 0.5, "ratio=0.5");
        check("on", true, "on=true");
        check("empty", "", "empty=");
    }

    #[test]
    fn what_java_would_read_otherwise_is_escaped() {
        check("a key", "v", "a\\ key=v");
        check("url", "http://x/?a=b#c!", "url=http\\://x/?a\\=b\\#c\\!");
        check("lead", "  two", "lead=\\  two");
        check("lines", "a\nb\r\tc\u{c}", "lines=a\\nb\\r\\tc\\f");
        check("path", "C:\\dir", "path=C\\:\\\\dir");
        check("name", "Zoë 😀\u{7f}", "name=Zo\\u00eb \\ud83d\\ude00\\u007f");
    }
}
