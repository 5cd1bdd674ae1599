//! What differs between the files of two commits, key by key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The file that it stands in.
    pub file: String,
    /// Where it stands, as `processes.web.min` or `[2]`; empty when it is the whole file.
    pub key: String,
    /// What it was; nothing when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it is; nothing when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What differs between the texts of two commits' files, by the files' names. How a file is laid
/// out makes no difference. A text that is no JSON is one value, itself.
#[must_use]
pub fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let mut found = Vec::new();
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for file in old.keys().chain(added) {
        let value = |files: &BTreeMap<String, String>| files.get(file).map(|text| value(text));
        let mut comparison = Comparison { file, found: &mut found };
        comparison.values("", value(old).as_ref(), value(new).as_ref());
    }
    found
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// The comparison of one file.
struct Comparison<'a> {
    file: &'a str,
    found: &'a mut Vec<Change>,
}

impl Comparison<'_> {
    fn values(&mut self, key: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.objects(key, old, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.lists(key, old, new),
            (old, new) => self.found.push(Change {
                file: self.file.to_owned(),
                key: key.to_owned(),
                old: old.cloned(),
                new: new.cloned(),
            }),
        }
    }

    fn objects(&mut self, key: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let added = new.keys().filter(|name| !old.contains_key(*name));
        for name in old.keys().chain(added) {
            let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            self.values(&inner, old.get(name), new.get(name));
        }
    }

    /// What both begin and end with is left out, so that a line put in is not a change of all that
    /// follow it; what is between is compared in its order.
    fn lists(&mut self, key: &str, old: &[Value], new: &[Value]) {
        let begin = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let (old, new) = (&old[begin..], &new[begin..]);
        let reversed = old.iter().rev().zip(new.iter().rev());
        let end = reversed.take_while(|(old, new)| old == new).count();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        for index in 0..old.len().max(new.len()) {
            let inner = format!("{key}[{}]", begin + index);
            self.values(&inner, old.get(index), new.get(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each change as `key: old -> new`, with a hyphen for nothing.
    fn check(old: &str, new: &str, expected: &[&str]) {
        let file = |text: &str| BTreeMap::from([("f".to_owned(), text.to_owned())]);
        let shown = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
        let found = changes(&file(old), &file(new));
        let found: Vec<String> = found
            .iter()
            .map(|Change { key, old, new, .. }| format!("{key}: {} -> {}", shown(old), shown(new)))
            .collect();
        assert_eq!(found, expected, "{old} to {new}");
    }

    #[test]
    fn objects_differ_by_key_and_not_by_layout_or_order() {
        check("{\"a\":1,\"b\":2}", "{ \"b\": 2,\n \"a\": 1 }\n", &[]);
        check(
            r#"{"a":1,"b":2}"#,
            r#"{"b":3,"c.d":"x"}"#,
            &["a: 1 -> -", "b: 2 -> 3", "c.d: - -> \"x\""],
        );
        check(
            r#"{"processes":{"web":{"min":2}}}"#,
            r#"{"processes":{"web":{"min":3}}}"#,
            &["processes.web.min: 2 -> 3"],
        );
        check(r#"{"a":{}}"#, r#"{"a":1}"#, &["a: {} -> 1"]);
    }

    #[test]
    fn a_line_put_into_a_list_is_one_change() {
        check(r#"["a","b"]"#, r#"["a","x","b"]"#, &["[1]: - -> \"x\""]);
        check(r#"["a","b","c"]"#, r#"["a"]"#, &["[1]: \"b\" -> -", "[2]: \"c\" -> -"]);
        check(r#"["a","a"]"#, r#"["a"]"#, &["[1]: \"a\" -> -"]);
        check(r#"{"r":[{"h":1}]}"#, r#"{"r":[{"h":2}]}"#, &["r[0].h: 1 -> 2"]);
    }

    #[test]
    fn a_text_that_is_no_json_is_one_value() {
        check("{oops", "{}", &[": \"{oops\" -> {}"]);
        let none = BTreeMap::new();
        let some = BTreeMap::from([("f".to_owned(), "[]".to_owned())]);
        assert_eq!(changes(&none, &some)[0].new, Some(Value::Array(Vec::new())));
        assert_eq!(changes(&some, &none)[0].old, Some(Value::Array(Vec::new())));
    }
}
